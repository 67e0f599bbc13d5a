// SPDX-License-Identifier: Apache-2.0

package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// What the data folder keeps of where masters are.
const (
	mastersFile = "masters.json"
	movesDir    = "moves"
	// Endings of the files of moves: asked for, and taken by the mesh.
	askedMove = ".json"
	takenMove = ".taken"
)

// Place is where the master of a store is and shall be, in a mesh on this machine. The mesh keeps it in its data folder, and goes on from
// there when it is started again, unless the manifest says another node than it did.
type Place struct {
	// Manifest is what spec.master.node of the manifest said, Node what counts in its place.
	Manifest string `json:"manifest"`
	Node     string `json:"node"`
	// StrandForeignClones and Promote are those of the last move: v1alpha1.MasterSpec and v1alpha1.PromoteAnnotation.
	StrandForeignClones bool   `json:"strandForeignClones,omitempty"`
	Promote             string `json:"promote,omitempty"`
	// Master is where the master was last seen.
	Master *v1alpha1.MasterStatus `json:"master,omitempty"`
	// Available, Reason and Message are those of the condition MasterAvailable.
	Available string `json:"available,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Message   string `json:"message,omitempty"`
}

// Move asks a running mesh to move a master.
type Move struct {
	// Node is where to.
	Node string `json:"node"`
	// StrandForeignClones goes on although clones of other implementations are attached, WithoutMaster without asking the present master.
	StrandForeignClones bool `json:"strandForeignClones,omitempty"`
	WithoutMaster       bool `json:"withoutMaster,omitempty"`
}

// RequestMove asks the mesh that runs in a data folder to move the master of a DataStore. What comes of it shows in ReadPlaces.
func RequestMove(dataDir, store string, m Move) error {
	if strings.ContainsAny(store, "/\\") || store == "" {
		return fmt.Errorf("no DataStore can be named %q", store)
	}
	if err := os.MkdirAll(filepath.Join(dataDir, movesDir), 0o700); err != nil {
		return fmt.Errorf("ask for the move: %w", err)
	}
	if err := writeJSON(filepath.Join(dataDir, movesDir, store+askedMove), m); err != nil {
		return fmt.Errorf("ask for the move: %w", err)
	}
	return nil
}

// MoveTaken reports whether the mesh has taken notice of the last move that was asked for.
func MoveTaken(dataDir, store string) bool {
	_, err := os.Stat(filepath.Join(dataDir, movesDir, store+askedMove))
	return errors.Is(err, fs.ErrNotExist)
}

// ReadPlaces is where the masters are, by DataStore, as the mesh of a data folder last wrote it.
func ReadPlaces(dataDir string) (map[string]Place, error) {
	places := make(map[string]Place)
	b, err := os.ReadFile(filepath.Join(dataDir, mastersFile))
	if errors.Is(err, fs.ErrNotExist) {
		return places, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &places)
	}
	if err != nil {
		return nil, fmt.Errorf("read where the masters are: %w", err)
	}
	return places, nil
}

// writeJSON replaces a file as a whole.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// openPlaces reads where the masters were. What was in memory is gone, and begins with its first epoch where it was last.
func (m *Mesh) openPlaces() error {
	before, err := ReadPlaces(m.o.DataDir)
	if err != nil {
		return err
	}
	m.places = make(map[string]Place)
	for _, s := range m.manifest.Stores {
		spec := s.Spec.Master
		p, ok := before[s.Name]
		if !ok || p.Manifest != spec.Node {
			p.Manifest, p.Node, p.StrandForeignClones, p.Promote = spec.Node, spec.Node, false, ""
		}
		if p.Master != nil && spec.Backend != v1alpha1.BackendSQLite && spec.Backend != v1alpha1.BackendPebble {
			p.Master, p.Promote = nil, ""
		}
		m.places[s.Name] = p
	}
	return nil
}

// placed are the manifest's objects with the masters where they are and shall be.
func (m *Mesh) placed() topology.Objects {
	o := m.manifest
	o.Stores = make([]v1alpha1.DataStore, len(m.manifest.Stores))
	for i := range m.manifest.Stores {
		s := m.manifest.Stores[i].DeepCopy()
		p := m.places[s.Name]
		s.Status.Master = p.Master
		MoveSpec(s, p.Node)
		s.Spec.Master.StrandForeignClones = s.Spec.Master.StrandForeignClones || p.StrandForeignClones
		if p.Promote != "" {
			s.Annotations = maps.Clone(s.Annotations)
			if s.Annotations == nil {
				s.Annotations = make(map[string]string)
			}
			s.Annotations[v1alpha1.PromoteAnnotation] = p.Promote
		}
		o.Stores[i] = *s
	}
	return o
}

// MoveSpec changes where a store's master shall be: a clone there becomes one of the node that it leaves.
func MoveSpec(s *v1alpha1.DataStore, node string) {
	old := s.Spec.Master.Node
	if node == "" || node == old {
		return
	}
	for i := range s.Spec.Clones {
		if s.Spec.Clones[i].Node == node {
			s.Spec.Clones[i].Node = old
		}
	}
	s.Spec.Master.Node = node
}

// follow takes what a verdict and the moves that were asked for say of where masters are, and writes it down before anybody acts on it. It
// tells whether the topology has to be compiled anew.
func (m *Mesh) follow(v evidence.Verdict) (again bool) {
	places := maps.Clone(m.places)
	for name, status := range v.Stores {
		p := places[name]
		if !reflect.DeepEqual(p.Master, status.Master) {
			p.Master, again = status.Master, true
		}
		if c := apimeta.FindStatusCondition(status.Conditions, v1alpha1.ConditionMasterAvailable); c != nil {
			p.Available, p.Reason, p.Message = string(c.Status), c.Reason, c.Message
		}
		places[name] = p
	}
	taken := m.takeMoves(places)
	if reflect.DeepEqual(places, m.places) && len(taken) == 0 {
		return false
	}
	if err := writeJSON(filepath.Join(m.o.DataDir, mastersFile), places); err != nil {
		m.o.Logger.Error("write down where the masters are", "error", err)
		return false
	}
	m.places = places
	for _, file := range taken {
		if err := os.Remove(file); err != nil {
			m.o.Logger.Error("take a move", "error", err)
		}
	}
	return again || len(taken) > 0
}

// movesAsked tells whether somebody asked for a move.
func (m *Mesh) movesAsked() bool {
	files, _ := filepath.Glob(filepath.Join(m.o.DataDir, movesDir, "*"+askedMove))
	return len(files) > 0
}

// takeMoves puts the moves that were asked for into the places, and answers their files, with those that make no sense. A file is renamed
// before it is read: another move may be asked for at any time.
func (m *Mesh) takeMoves(places map[string]Place) (taken []string) {
	files, _ := filepath.Glob(filepath.Join(m.o.DataDir, movesDir, "*"+askedMove))
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), askedMove)
		if p, ok := places[name]; ok && p.Master == nil {
			continue // it has to be seen before it can move
		}
		if err := os.Rename(file, strings.TrimSuffix(file, askedMove)+takenMove); err != nil {
			m.o.Logger.Error("take a move", "error", err)
		}
	}
	taken, _ = filepath.Glob(filepath.Join(m.o.DataDir, movesDir, "*"+takenMove))
	for _, file := range taken {
		name := strings.TrimSuffix(filepath.Base(file), takenMove)
		if err := takeMove(places, name, file); err != nil {
			m.o.Logger.Warn("a move was asked for", "error", err)
		}
	}
	return taken
}

// takeMove puts one move into the places.
func takeMove(places map[string]Place, name, file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var move Move
	if err := json.Unmarshal(b, &move); err != nil {
		return fmt.Errorf("the move of %q: %w", name, err)
	}
	p, ok := places[name]
	if !ok || p.Master == nil {
		return fmt.Errorf("no master of a DataStore %q was seen", name)
	}
	p.Node, p.StrandForeignClones, p.Promote = move.Node, move.StrandForeignClones, ""
	if move.WithoutMaster {
		p.Promote = fmt.Sprintf("%s/%d", move.Node, p.Master.Epoch+1)
	}
	p.Available, p.Reason, p.Message = "Unknown", "", ""
	places[name] = p
	return nil
}
