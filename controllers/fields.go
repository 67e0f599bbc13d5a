// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fieldSet is the decoded form of metav1.FieldsV1: "f:NAME" is a field, "k:{…}" an item of a list by its keys, "v:…" a member of a
// set, "." the thing itself. A set without any of the first three is a leaf: its whole value is managed.
type fieldSet map[string]any

// managedBy gives the fields that the manager owns by server-side apply.
func managedBy(entries []metav1.ManagedFieldsEntry, manager, subresource string) fieldSet {
	for _, e := range entries {
		if e.Manager == manager && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == subresource {
			return decodeFields(e)
		}
	}
	return nil
}

func decodeFields(e metav1.ManagedFieldsEntry) fieldSet {
	var set fieldSet
	if e.FieldsV1 == nil || json.Unmarshal(e.FieldsV1.GetRawBytes(), &set) != nil {
		return nil
	}
	return set
}

func (s fieldSet) at(element string) (fieldSet, bool) {
	v, ok := s[element]
	if !ok {
		return nil, false
	}
	sub, _ := v.(map[string]any)
	return sub, true
}

func (s fieldSet) leaf() bool {
	for key := range s {
		if key != "." {
			return false
		}
	}
	return true
}

// covers says whether the path, or a leaf that contains it, is in the set.
func (s fieldSet) covers(path []string) bool {
	for _, element := range path {
		if s.leaf() && len(s) > 0 {
			return true
		}
		sub, ok := s.at(element)
		if !ok {
			return false
		}
		s = sub
	}
	return true
}

// comparison finds where an object differs from what is desired, as far as one manager is concerned.
type comparison struct {
	// exact also finds what stands in an atomic value besides what is desired. Built-in kinds get defaults there.
	exact bool
	found []difference
}

// difference is a field to be written or given up.
type difference struct {
	// path in the elements of fieldSet.
	path []string
	// foreign is true when a value is there that isn't the desired one.
	foreign bool
}

// walk compares the part of the live object that the manager owns with the desired one. Lists that are maps or sets are compared by
// their keys, not by their order.
func (c *comparison) walk(path []string, owned fieldSet, live, desired any) {
	if owned.leaf() {
		if !c.same(live, desired) {
			c.add(path, live)
		}
		return
	}
	switch desired := desired.(type) {
	case map[string]any:
		c.walkMap(path, owned, live, desired)
	case []any:
		c.walkList(path, owned, live, desired)
	default:
		c.add(path, live)
	}
}

func (c *comparison) walkMap(path []string, owned fieldSet, live any, desired map[string]any) {
	liveMap, _ := live.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(desired)) {
		element := "f:" + key
		sub, ok := owned.at(element)
		value, there := liveMap[key]
		switch {
		case ok:
			c.walk(join(path, element), sub, value, desired[key])
		case there && c.same(value, desired[key]):
			c.add(join(path, element), nil) // the value is right, but it is somebody else's
		default:
			c.add(join(path, element), value)
		}
	}
	for _, element := range slices.Sorted(maps.Keys(owned)) {
		if key, ok := strings.CutPrefix(element, "f:"); ok {
			if _, wanted := desired[key]; !wanted {
				c.add(join(path, element), nil)
			}
		}
	}
}

func (c *comparison) walkList(path []string, owned fieldSet, live any, desired []any) {
	liveList, _ := live.([]any)
	taken := make(map[string]bool, len(desired))
	for _, item := range desired {
		element := owned.elementOf(item)
		if element == "" {
			c.add(join(path, "v:new"), nil)
			continue
		}
		taken[element] = true
		sub, _ := owned.at(element)
		c.walk(join(path, element), sub, find(liveList, element), item)
	}
	for _, element := range slices.Sorted(maps.Keys(owned)) {
		if element != "." && !taken[element] {
			c.add(join(path, element), nil)
		}
	}
}

// elementOf finds the key or value in the set that a list item is known by.
func (s fieldSet) elementOf(item any) string {
	for element := range s {
		if matches(element, item) {
			return element
		}
	}
	return ""
}

func find(list []any, element string) any {
	for _, item := range list {
		if matches(element, item) {
			return item
		}
	}
	return nil
}

func matches(element string, item any) bool {
	if text, ok := strings.CutPrefix(element, "v:"); ok {
		var value any
		return json.Unmarshal([]byte(text), &value) == nil && equal(value, item)
	}
	text, ok := strings.CutPrefix(element, "k:")
	fields, isMap := item.(map[string]any)
	if !ok || !isMap {
		return false
	}
	var keys map[string]any
	if json.Unmarshal([]byte(text), &keys) != nil {
		return false
	}
	for key, value := range keys {
		if !equal(value, fields[key]) {
			return false
		}
	}
	return true
}

func (c *comparison) add(path []string, live any) {
	c.found = append(c.found, difference{path: path, foreign: live != nil})
}

// same compares values that are managed as a whole.
func (c *comparison) same(live, desired any) bool {
	if c.exact {
		return equal(live, desired)
	}
	return contains(live, desired)
}

// contains says whether live has everything that desired has.
func contains(live, desired any) bool {
	switch desired := desired.(type) {
	case map[string]any:
		m, ok := live.(map[string]any)
		if !ok {
			return false
		}
		for key, value := range desired {
			if !contains(m[key], value) {
				return false
			}
		}
		return true
	case []any:
		l, ok := live.([]any)
		return ok && slices.EqualFunc(l, desired, contains)
	}
	return equal(live, desired)
}

// equal compares values of decoded JSON, in which one number may have several Go types.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		m, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, m, equal)
	case []any:
		l, ok := b.([]any)
		return ok && slices.EqualFunc(a, l, equal)
	}
	x, isNumber := number(a)
	y, alsoNumber := number(b)
	if isNumber || alsoNumber {
		return isNumber && alsoNumber && x == y
	}
	return reflect.DeepEqual(a, b)
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// name writes a path as people know it: spec.template.spec.containers[name=node].image.
func (d difference) name() string {
	var b strings.Builder
	for _, element := range d.path {
		kind, text, _ := strings.Cut(element, ":")
		if kind != "f" {
			b.WriteString("[" + strings.Trim(strings.ReplaceAll(strings.ReplaceAll(text, `"`, ""), ":", "="), "{}") + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(text)
	}
	return b.String()
}

// join never shares memory with path, because siblings extend the same one.
func join(path []string, element string) []string {
	return append(slices.Clip(slices.Clone(path)), element)
}
