// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/client"
	"github.com/brokermesh/brokermesh/pkg/ctl/look"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// listed is one store of a mesh.
type listed struct {
	Name    string   `json:"name"`
	Masters []string `json:"masters"`
	Clones  []string `json:"clones"`
	// State, Entries, Bytes and Number are the master's; empty if it answers no
	// questions.
	State   string `json:"state,omitempty"`
	Entries *int64 `json:"entries,omitempty"`
	Bytes   *int64 `json:"bytes,omitempty"`
	Number  uint64 `json:"number,omitempty"`
}

// atOnce is how many stores are asked at a time.
const atOnce = 8

// List prints the stores of a mesh: who has the master of each, who clones.
func List(ctx context.Context, o Options) error {
	if o.File != "" {
		return ctl.BadInput(errors.New("ls: it lists the stores of a mesh; stat --file PATH shows a database"))
	}
	return client.With(ctx, o.Options, func(s client.Session) error {
		p, err := look.Around(ctx, s, o.Timeout)
		if err != nil {
			return err
		}
		stores := storesOf(p)
		slots := make(chan struct{}, atOnce)
		var group sync.WaitGroup
		for i := range stores {
			slots <- struct{}{}
			group.Go(func() {
				defer func() { <-slots }()
				o.ask(ctx, s, &stores[i])
			})
		}
		group.Wait()
		if o.JSON {
			return writeJSON(o.Out, stores)
		}
		o.printList(stores)
		return nil
	})
}

// ask adds what the master says of itself. One that says nothing is shown
// without.
func (o Options) ask(ctx context.Context, s client.Session, l *listed) {
	if len(l.Masters) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, min(o.Timeout, time.Second))
	defer cancel()
	remote, err := store.NewRemote(s.Endpoint, l.Name, store.RemoteOptions{FindTimeout: time.Second})
	if err != nil {
		return
	}
	defer remote.Close()
	if r, err := remote.Master(ctx); err == nil {
		l.State, l.Entries, l.Bytes, l.Number = r.State, &r.Entries, &r.Bytes, r.Number
	}
}

// storesOf are the stores that a mesh has, by the topics that their frontends
// want.
func storesOf(p *look.Picture) []listed {
	found := map[string]*listed{}
	add := func(who string, prefixes []string) {
		for _, prefix := range prefixes {
			name, master, ok := storeOf(prefix)
			if !ok {
				continue
			}
			l := found[name]
			if l == nil {
				l = &listed{Name: name, Masters: []string{}, Clones: []string{}}
				found[name] = l
			}
			to := &l.Clones
			if master {
				to = &l.Masters
			}
			if !slices.Contains(*to, who) {
				*to = append(*to, who)
			}
		}
	}
	if p.Foreign != nil {
		add(look.Short(p.First), p.Foreign.Filter)
	}
	nodes := map[data.EndpointID]bool{}
	for i := range p.Reports {
		nodes[p.Reports[i].ID] = true
	}
	for i := range p.Reports {
		r := &p.Reports[i]
		for _, c := range r.Consumers {
			if c.Kind == "store" {
				add(p.Name(r.ID), c.Prefixes)
			}
		}
		for _, peer := range r.Peers {
			if !nodes[peer.ID] && peer.ID != p.Self && peer.State == "Peered" {
				add(p.Name(peer.ID), peer.Filter)
			}
		}
	}
	stores := []listed{}
	for _, l := range found {
		slices.Sort(l.Masters)
		slices.Sort(l.Clones)
		stores = append(stores, *l)
	}
	slices.SortFunc(stores, func(a, b listed) int { return cmp.Compare(a.Name, b.Name) })
	return stores
}

// storeOf is the store whose master or clones want a topic.
func storeOf(prefix string) (name string, master, ok bool) {
	for _, suffix := range []string{topic.Master(""), topic.Clone("")} {
		if rest, found := strings.CutSuffix(prefix, suffix); found {
			name := strings.TrimSuffix(rest, "/")
			for _, name := range []string{name, rest} {
				if topic.Join(name, suffix) == prefix {
					return name, suffix == topic.Master(""), true
				}
			}
		}
	}
	return "", false, false
}

func (o Options) printList(stores []listed) {
	rows := [][]string{{"STORE", "MASTER", "CLONES", "STATE", "ENTRIES", "BYTES", "NUMBER"}}
	for _, l := range stores {
		state, entries, bytes, number := "-", "-", "-", "-"
		if l.Entries != nil {
			state, entries = l.State, strconv.FormatInt(*l.Entries, 10)
			bytes, number = strconv.FormatInt(*l.Bytes, 10), strconv.FormatUint(l.Number, 10)
		}
		rows = append(rows, []string{table.Plain(l.Name), names(l.Masters), names(l.Clones), state, entries, bytes, number})
	}
	printTable(o.Out, rows)
	if len(stores) == 0 {
		fmt.Fprintln(o.Notes, "the mesh has no stores")
	}
}

// names are some names; more than four are counted.
func names(list []string) string {
	switch {
	case len(list) == 0:
		return "-"
	case len(list) > 4:
		return fmt.Sprintf("%s and %d more", strings.Join(list[:3], ", "), len(list)-3)
	}
	return strings.Join(list, ", ")
}
