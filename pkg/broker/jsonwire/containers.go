// SPDX-License-Identifier: Apache-2.0

package jsonwire

import (
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// elements reads the array node a as a set or vector.
func (p *parser) elements(k data.Kind, a, depth int) (data.Value, *Error) {
	if depth >= data.MaxDepth {
		return data.Value{}, p.fail(ClassValue, a, "nested too deeply, want at most %d levels", data.MaxDepth)
	}
	base, index := len(p.stack), 0
	for i := a + 1; i < p.next(a); i = p.next(i) {
		v, bad := p.value(i, depth+1)
		if bad != nil {
			return data.Value{}, bad.within(fmt.Sprintf("[%d]", index))
		}
		index++
		p.stack = append(p.stack, v)
	}
	all := p.stack[base:]
	p.stack = p.stack[:base]
	if k == data.KindVector {
		return data.Vector(all...), nil
	}
	set := data.Set(all...)
	if set.Len() != len(all) {
		return data.Value{}, p.fail(ClassDuplicate, a, "an element occurs twice")
	}
	return set, nil
}

// entries reads the array node a as a table.
func (p *parser) entries(a, depth int) (data.Value, *Error) {
	if depth >= data.MaxDepth {
		return data.Value{}, p.fail(ClassValue, a, "nested too deeply, want at most %d levels", data.MaxDepth)
	}
	var all []data.Entry
	for i := a + 1; i < p.next(a); i = p.next(i) {
		e, bad := p.entry(i, depth)
		if bad != nil {
			return data.Value{}, bad.within(fmt.Sprintf("[%d]", len(all)))
		}
		all = append(all, e)
	}
	table := data.Table(all...)
	if table.Len() != len(all) {
		return data.Value{}, p.fail(ClassDuplicate, a, "a key occurs twice")
	}
	return table, nil
}

func (p *parser) entry(i, depth int) (e data.Entry, bad *Error) {
	if p.nodes[i].token != tokenObject {
		return e, p.fail(ClassValue, i, "want an object with key and value")
	}
	key, value := p.member(i, "key"), p.member(i, "value")
	if key < 0 || value < 0 {
		return e, p.fail(ClassValue, i, "want members key and value")
	}
	if e.Key, bad = p.value(key, depth+1); bad != nil {
		return e, bad.within(".key")
	}
	if e.Value, bad = p.value(value, depth+1); bad != nil {
		return e, bad.within(".value")
	}
	return e, nil
}
