// SPDX-License-Identifier: Apache-2.0

package review

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/meshobjects"
	"github.com/brokermesh/brokermesh/pkg/load"
	"github.com/brokermesh/brokermesh/pkg/plan"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// PlanOptions say what is planned and how it is shown.
type PlanOptions struct {
	// Prune removes the objects that the change doesn't have.
	Prune bool
	JSON  bool
	// ExitCode makes a plan that isn't empty end with ctl.ExitChanges.
	ExitCode bool
	// Out gets the plan, Notes what keeps it from being made.
	Out, Notes io.Writer
}

// PlanDocument is what `brokerctl plan -o json` writes.
type PlanDocument struct {
	plan.Plan
	Found []Finding `json:"findings"`
	Gone  []Finding `json:"goneFindings"`
}

// Plan shows what it would do to a mesh to become what the change says. A
// change that an API server would refuse, or that brings an error, is refused.
func Plan(mesh, change meshobjects.Mesh, o PlanOptions) error {
	after := change
	after.Objects = plan.Applied(mesh.Objects, change.Objects, o.Prune)
	refused := change.Problems
	if len(refused) == 0 {
		var err error
		if refused, err = frozen(mesh.Objects, after); err != nil {
			return err
		}
	}
	p := plan.Compare(mesh.Objects, after.Objects, mesh.Options())
	d := PlanDocument{Plan: p, Found: []Finding{}, Gone: []Finding{}}
	for _, f := range change.Place(p.Found) {
		d.Found = append(d.Found, findingOf(f))
	}
	for _, f := range mesh.Place(p.Gone) {
		d.Gone = append(d.Gone, findingOf(f))
	}
	if err := refuse(refused, d.Found, o.Notes); err != nil {
		return err
	}
	write := d.writeText
	if o.JSON {
		write = func(w io.Writer) error { return writeJSON(w, d) }
	}
	if err := write(o.Out); err != nil {
		return err
	}
	if o.ExitCode && !p.Empty() {
		return &ctl.Error{Code: ctl.ExitChanges}
	}
	return nil
}

// frozen is what can't change of what does.
func frozen(before topology.Objects, after meshobjects.Mesh) ([]load.Problem, error) {
	updates := both(topology.KindBrokerNode, before.Nodes, after.Objects.Nodes, func(n *v1alpha1.BrokerNode) string { return n.Name })
	updates = append(updates, both(topology.KindPeering, before.Peerings, after.Objects.Peerings, func(p *v1alpha1.Peering) string { return p.Name })...)
	updates = append(updates, both(topology.KindDataStore, before.Stores, after.Objects.Stores, func(s *v1alpha1.DataStore) string { return s.Name })...)
	updates = append(updates, both(topology.KindBrokerMesh, before.Meshes, after.Objects.Meshes, func(m *v1alpha1.BrokerMesh) string { return m.Name })...)
	problems, err := load.CheckUpdates(updates)
	for i := range problems {
		p := &problems[i]
		p.File, p.Line = after.Position(p.Kind, p.Name, p.Field)
	}
	return problems, err
}

// both are the objects of a kind that were there before and differ now.
func both[T any](kind string, before, after []T, name func(*T) string) []load.Update {
	was := make(map[string]*T, len(before))
	for i := range before {
		was[name(&before[i])] = &before[i]
	}
	var out []load.Update
	for i := range after {
		now := &after[i]
		if w := was[name(now)]; w != nil && !equality.Semantic.DeepEqual(w, now) {
			out = append(out, load.Update{Kind: kind, Name: name(now), Was: w, Now: now})
		}
	}
	return out
}

// refuse says what keeps a plan from being made.
func refuse(problems []load.Problem, found []Finding, notes io.Writer) error {
	n := 0
	say := func(f Finding) {
		n++
		fmt.Fprintln(notes, f)
	}
	for _, p := range problems {
		say(Finding{Code: Invalid, File: p.File, Line: p.Line, Kind: p.Kind, Name: p.Name, Field: p.Field, Message: p.Message})
	}
	for _, f := range found {
		if f.Severity == topology.Error && len(problems) == 0 {
			say(f)
		}
	}
	if n == 0 {
		return nil
	}
	fmt.Fprintf(notes, "%s; nothing is planned\n", meshobjects.Count(n, "error"))
	return &ctl.Error{Code: ctl.ExitFailure}
}

// writeText writes the plan for people.
func (d PlanDocument) writeText(w io.Writer) error {
	var b bytes.Buffer
	d.objects(&b)
	d.nodes(&b)
	d.links(&b)
	d.stores(&b)
	d.findings(&b)
	b.WriteString(d.summary() + "\n")
	_, err := w.Write(b.Bytes())
	return err
}

var signs = map[plan.Act]string{plan.Added: "+", plan.Changed: "~", plan.Removed: "-"}

func (d PlanDocument) objects(b *bytes.Buffer) {
	for _, o := range d.Objects {
		fmt.Fprintf(b, "%s %s\n", signs[o.Act], object(o.Kind, o.Name))
		for _, f := range o.Fields {
			fmt.Fprintf(b, "    %s: %s -> %s\n", f.Path, orUnset(f.Old), orUnset(f.New))
		}
	}
}

func orUnset(value string) string {
	if value == "" {
		return "unset"
	}
	return value
}

func (d PlanDocument) nodes(b *bytes.Buffer) {
	section(b, "nodes", len(d.Nodes))
	for _, n := range d.Nodes {
		fmt.Fprintf(b, "  %s: %s\n", n.Node, nodeWords(n))
	}
}

func nodeWords(n plan.NodeChange) string {
	if n.Paused {
		n.Paused = false
		return "paused, so that nothing is done before spec.paused goes; then: " + nodeWords(n)
	}
	pods := func(list []string) string { return meshobjects.Count(len(list), "pod") }
	var scaled []string
	if len(n.New) > 0 {
		scaled = append(scaled, "new: "+strings.Join(n.New, ", "))
	}
	if len(n.Gone) > 0 {
		scaled = append(scaled, "gone: "+strings.Join(n.Gone, ", "))
	}
	var words string
	switch n.Act {
	case plan.Added:
		return "made, with " + pods(n.New)
	case plan.Removed:
		return "removed, with " + pods(n.Gone) + "; volumes stay"
	case plan.Restarted:
		words = "pods restart, one after the other, for " + strings.Join(n.Why, ", ")
	case plan.Reconnected:
		words = "the pods stay, all their connections begin anew, for " + strings.Join(n.Why, ", ")
	case plan.Scaled:
		return strings.Join(scaled, "; ") + "; the other pods go on"
	default:
		return "takes the change while it runs"
	}
	return strings.Join(append([]string{words}, scaled...), "; ")
}

// links tells connections to which the same happens in one line.
func (d PlanDocument) links(b *bytes.Buffer) {
	section(b, "connections", len(d.Links))
	type group struct{ peering, act, why, back string }
	counts, first := make(map[group]int), make(map[group]plan.LinkChange)
	var order []group
	for _, l := range d.Links {
		g := group{l.Peering, string(l.Act), l.Why, l.Back}
		if counts[g]++; counts[g] == 1 {
			order, first[g] = append(order, g), l
		}
	}
	for _, g := range order {
		l := first[g]
		which := l.From + " -> " + l.To
		if n := counts[g] - 1; n > 0 {
			which += fmt.Sprintf(" and %d more", n)
		}
		switch l.Act {
		case plan.Opened:
			which += " opened"
		case plan.Closed:
			which += " closed for good"
		default:
			which += " drops: " + l.Why + "; back " + l.Back
		}
		fmt.Fprintf(b, "  %s: %s\n", l.Peering, which)
	}
}

func (d PlanDocument) stores(b *bytes.Buffer) {
	section(b, "stores", len(d.Stores))
	for _, s := range d.Stores {
		loss := ""
		if s.Loss {
			loss = "LOSS: "
		}
		fmt.Fprintf(b, "  %s: %s%s\n", s.Store, loss, s.Message)
	}
}

func (d PlanDocument) findings(b *bytes.Buffer) {
	section(b, "findings", len(d.Found)+len(d.Gone))
	for _, f := range d.Found {
		fmt.Fprintf(b, "  new: %s\n", f)
	}
	for _, f := range d.Gone {
		fmt.Fprintf(b, "  gone: %s %s: %s: %s\n", strings.ToLower(f.Severity.String()), f.Code, object(f.Kind, f.Name), f.Field)
	}
}

func section(b *bytes.Buffer, title string, n int) {
	if n > 0 {
		fmt.Fprintf(b, "%s\n", title)
	}
}

// summary is the last line.
func (d PlanDocument) summary() string {
	if d.Empty() {
		return "nothing to do"
	}
	objects := make(map[plan.Act]int)
	for _, o := range d.Objects {
		objects[o.Act]++
	}
	nodes := make(map[plan.Act]int)
	for _, n := range d.Nodes {
		nodes[n.Act]++
	}
	return fmt.Sprintf("objects: %d to add, %d to change, %d to remove; nodes: %d made, %d removed, %d restart, %d connect anew, %d take it while they run, %d notice nothing",
		objects[plan.Added], objects[plan.Changed], objects[plan.Removed], nodes[plan.Added], nodes[plan.Removed],
		nodes[plan.Restarted], nodes[plan.Reconnected], nodes[plan.Scaled]+nodes[plan.Pushed], d.Untouched)
}
