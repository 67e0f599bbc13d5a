// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// DefaultNamespace is the namespace of manifests that name none.
const DefaultNamespace = "default"

// Loaded is one mesh read from files: every object completed with its defaults.
type Loaded struct {
	// Namespace is the one namespace of all objects.
	Namespace string
	// Nodes, Peerings and Stores are in the order of the files. If there were problems, objects at fault are here as far as
	// they can be decoded; a BrokerNode that can't be has its name only, so that references to it aren't taken for mistakes.
	Nodes    []v1alpha1.BrokerNode
	Peerings []v1alpha1.Peering
	Stores   []v1alpha1.DataStore
	// Meshes are the BrokerMeshes; the BrokerNodes and Peerings that they are made of are among the others, with their positions.
	Meshes []v1alpha1.BrokerMesh

	places map[string]*object // by key
}

// Files reads the manifests that paths name: files, folders (their *.yaml, *.yml and *.json, without subfolders and
// kustomizations) and "-" for standard input. The problems are all findings about the manifests, in the order of the files; the
// error means that a path can't be read or that there is nothing to read.
func Files(paths []string) (Loaded, []Problem, error) {
	return Read(paths, os.Stdin)
}

// Read is Files with another standard input.
func Read(paths []string, stdin io.Reader) (Loaded, []Problem, error) {
	sources, err := readAll(paths, stdin)
	if err != nil {
		return Loaded{}, nil, err
	}
	return load(sources)
}

func load(sources []source) (Loaded, []Problem, error) {
	var d decoder
	var all []*decoded
	for i, s := range sources {
		for _, c := range split(s.body) {
			objects, problems := parse(s.name, i, c)
			d.problems = append(d.problems, problems...)
			for _, o := range objects {
				if r := d.decode(&o); r != nil {
					all = append(all, r)
				}
			}
		}
	}
	if d.err != nil {
		return Loaded{}, nil, d.err
	}
	l := Loaded{places: map[string]*object{}}
	l.Namespace = d.namespace(all)
	all = append(all, d.laidOut(all, l.Namespace)...)
	for _, r := range all {
		if first, ok := l.places[key(r.kind, r.name)]; ok && r.name != "" {
			d.declaredTwice(r, first)
			continue
		}
		l.places[key(r.kind, r.name)] = r.object
		if err := l.add(r); err != nil {
			d.report(r, "", err.Error())
		}
	}
	if len(all) == 0 && len(d.problems) == 0 {
		return Loaded{}, nil, fmt.Errorf("%s: no BrokerNode, Peering, DataStore or BrokerMesh", names(sources))
	}
	sortProblems(d.problems)
	return l, d.problems, nil
}

// namespace returns the one that the objects name. Objects that name none are in it, as with `kubectl apply -n`.
func (d *decoder) namespace(all []*decoded) string {
	var first *decoded
	for _, r := range all {
		switch {
		case r.namespace == "":
		case first == nil:
			first = r
		case r.namespace != first.namespace:
			d.report(r, "metadata.namespace", fmt.Sprintf("%q: a mesh is one namespace; allowed: %q, as in %s:%d",
				r.namespace, first.namespace, first.file, first.line("metadata.namespace")))
		}
	}
	if first == nil {
		return DefaultNamespace
	}
	return first.namespace
}

// Position returns the file and line of an object's field, or of the field's nearest parent that the manifest has. It returns
// "" and 0 for an object that isn't there.
func (l Loaded) Position(kind, name, field string) (file string, line int) {
	o, ok := l.places[key(kind, name)]
	if !ok {
		return "", 0
	}
	return o.file, o.line(field)
}

// key identifies an object; kinds are told apart without regard to case, as messages write them.
func key(kind, name string) string {
	return strings.ToLower(kind) + "/" + name
}

func names(sources []source) string {
	list := make([]string, len(sources))
	for i, s := range sources {
		list[i] = s.name
	}
	return strings.Join(list, ", ")
}
