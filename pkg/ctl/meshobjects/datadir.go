// SPDX-License-Identifier: Apache-2.0

package meshobjects

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// fileName is the file in the data folder of an up with the objects that it
// runs, and how they are.
const fileName = "mesh.json"

// FreshFor is how old what was written down is at most while the mesh runs.
const FreshFor = 15 * time.Second

// written is the content of that file.
type written struct {
	Namespace string `json:"namespace"`
	Plain     bool   `json:"plain,omitempty"`
	// At is when it was written: the statuses are of then.
	At       time.Time             `json:"at"`
	Nodes    []v1alpha1.BrokerNode `json:"nodes"`
	Peerings []v1alpha1.Peering    `json:"peerings"`
	Stores   []v1alpha1.DataStore  `json:"stores"`
	Meshes   []v1alpha1.BrokerMesh `json:"meshes,omitempty"`
}

// Write writes a mesh that runs on this machine to its data folder, with the
// verdict as the statuses of its objects, for FromDataDir to read.
func Write(dataDir string, m Mesh, v evidence.Verdict, now time.Time) error {
	w := written{Namespace: m.Namespace, Plain: m.Plain, At: now}
	for _, n := range m.Objects.Nodes {
		n.Status = v.Nodes[n.Name]
		w.Nodes = append(w.Nodes, n)
	}
	for _, p := range m.Objects.Peerings {
		p.Status = v.Peerings[p.Name]
		w.Peerings = append(w.Peerings, p)
	}
	for _, s := range m.Objects.Stores {
		s.Status = v.Stores[s.Name]
		w.Stores = append(w.Stores, s)
	}
	for _, layout := range m.Objects.Meshes {
		layout.Status = v.Meshes[layout.Name]
		w.Meshes = append(w.Meshes, layout)
	}
	b, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("write how the mesh is: %w", err)
	}
	path := filepath.Join(dataDir, fileName)
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write how the mesh is: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write how the mesh is: %w", err)
	}
	return nil
}

// FromDataDir reads what an up wrote to its data folder.
func FromDataDir(dataDir string) (Mesh, error) {
	b, err := os.ReadFile(filepath.Join(dataDir, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		return Mesh{}, fmt.Errorf("%s is not the data folder of a brokerctl up: it has no %s", dataDir, fileName)
	}
	var w written
	if err == nil {
		err = json.Unmarshal(b, &w)
	}
	if err != nil {
		return Mesh{}, fmt.Errorf("read how the mesh is: %w", err)
	}
	return Mesh{
		Namespace: w.Namespace, Plain: w.Plain, Origin: Laptop, At: w.At,
		Objects: topology.Objects{Nodes: w.Nodes, Peerings: w.Peerings, Stores: w.Stores, Meshes: w.Meshes},
	}, nil
}
