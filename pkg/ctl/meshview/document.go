// SPDX-License-Identifier: Apache-2.0

// Package meshview shows how a mesh is: as one document for programs, as a
// table for people, and as a list of what is missing. It only renders; the
// verdict comes from pkg/evidence.
package meshview

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// State is a mesh at one moment.
type State struct {
	// Verdict is the judgement of all objects.
	Verdict evidence.Verdict
	// Statuses are the nodes' own documents, by pod.
	Statuses map[string]statusapi.Status
	// DataDir is where the mesh keeps its data.
	DataDir string
}

// Document is the state as programs read it.
type Document struct {
	Nodes    []Node    `json:"nodes"`
	Peerings []Peering `json:"peerings"`
	Stores   []Store   `json:"stores"`
	// DataDir holds the client certificate in the folder client.
	DataDir string `json:"dataDir,omitempty"`
}

// Node is a BrokerNode with the addresses of its first pod and its status.
type Node struct {
	Name      string `json:"name"`
	Address   string `json:"address,omitempty"`
	WebSocket string `json:"webSocket,omitempty"`
	v1alpha1.BrokerNodeStatus
}

// Peering is a Peering and its status.
type Peering struct {
	Name string `json:"name"`
	v1alpha1.PeeringStatus
}

// Store is a DataStore and its status.
type Store struct {
	Name string `json:"name"`
	v1alpha1.DataStoreStatus
}

// NewDocument makes the document; lists are sorted by name.
func NewDocument(s State) Document {
	d := Document{Nodes: []Node{}, Peerings: []Peering{}, Stores: []Store{}, DataDir: s.DataDir}
	for _, name := range slices.Sorted(maps.Keys(s.Verdict.Nodes)) {
		n := Node{Name: name, BrokerNodeStatus: s.Verdict.Nodes[name]}
		if pod, ok := s.pod(name); ok {
			n.Address, n.WebSocket = listener(pod, "broker"), listener(pod, "websocket")
		}
		d.Nodes = append(d.Nodes, n)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Verdict.Peerings)) {
		d.Peerings = append(d.Peerings, Peering{Name: name, PeeringStatus: s.Verdict.Peerings[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Verdict.Stores)) {
		d.Stores = append(d.Stores, Store{Name: name, DataStoreStatus: s.Verdict.Stores[name]})
	}
	return d
}

// pod is the status of a node's first pod.
func (s State) pod(node string) (statusapi.Status, bool) {
	st, ok := s.Statuses[topology.PodName(node, 0)]
	return st, ok
}

func listener(s statusapi.Status, name string) string {
	for _, l := range s.Listeners {
		if l.Name == name {
			return l.Address
		}
	}
	return ""
}

// WriteJSON writes the document in one line.
func (d Document) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(d)
}

// WriteYAML writes the document as YAML.
func (d Document) WriteYAML(w io.Writer) error {
	b, err := yaml.Marshal(d)
	if err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	_, err = w.Write(b)
	return err
}
