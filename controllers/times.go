// SPDX-License-Identifier: Apache-2.0

package controllers

import "time"

// timeSlack is by how much two managers may differ about when something began that a node tells the age of.
const timeSlack = 2 * time.Second

// keepTimes takes over, into a status that is to be written, the times that the live one has for what is still so: when a condition took
// its status, when an engine started, since when a clone is stale. Each manager has its own idea of these, and without this two of them would
// correct each other for ever.
func keepTimes(live, desired map[string]any) {
	for _, field := range []string{"conditions", "pods", "clones"} {
		was, _ := live[field].([]any)
		now, _ := desired[field].([]any)
		for _, item := range now {
			to, _ := item.(map[string]any)
			from := counterpart(was, to)
			if from == nil {
				continue
			}
			if field == "conditions" && from["status"] == to["status"] {
				to["lastTransitionTime"] = from["lastTransitionTime"]
			}
			for _, key := range []string{"since", "staleSince"} {
				if about(from[key], to[key]) {
					to[key] = from[key]
				}
			}
		}
	}
}

// counterpart is the item of a list that is about the same as another.
func counterpart(list []any, of map[string]any) map[string]any {
	for _, item := range list {
		m, _ := item.(map[string]any)
		for _, key := range []string{"type", "name", "node"} {
			if id, ok := of[key]; ok && m[key] == id {
				return m
			}
		}
	}
	return nil
}

// about reports whether two values are times that are about the same.
func about(a, b any) bool {
	x, okX := a.(string)
	y, okY := b.(string)
	if !okX || !okY {
		return false
	}
	was, errWas := time.Parse(time.RFC3339, x)
	now, errNow := time.Parse(time.RFC3339, y)
	return errWas == nil && errNow == nil && now.Sub(was).Abs() <= timeSlack
}
