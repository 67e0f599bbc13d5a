// SPDX-License-Identifier: Apache-2.0

package store

import (
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// tap notes which keys have changed since a copy of the content was taken.
type tap struct {
	keys map[string]struct{}
	all  bool
}

// touched takes note of a change.
func (t *tap) touched(key data.Value) {
	if t != nil && !t.all {
		t.keys[string(key.AppendBinary(nil))] = struct{}{}
	}
}

// replaced takes note that all of the content may have changed.
func (t *tap) replaced() {
	if t != nil {
		t.all, t.keys = true, nil
	}
}

// copyContent answers the content, and which keys have changed since it was asked for last. From then on changes are noted.
func (c *Clone) copyContent(whole bool) answer {
	c.content.Commit()
	content, err := c.content.Snapshot()
	if err != nil {
		return answer{err: err}
	}
	r := &c.reader
	out := &copied{
		content: content, number: c.number, position: c.known, master: r.master, foreign: r.foreign,
		all: whole || c.tap == nil || c.tap.all,
	}
	if !out.all {
		for encoded := range c.tap.keys {
			if key, err := data.Decode([]byte(encoded)); err == nil {
				out.keys = append(out.keys, key)
			}
		}
	}
	c.tap = &tap{keys: map[string]struct{}{}}
	return answer{ok: true, copied: out}
}

// leave makes the clone look for the master of a later epoch. Who asked waits until the writes of the clone are answered.
func (c *Clone) leave(req *request) {
	c.tap = nil
	c.known.Epoch = max(c.known.Epoch, req.epoch)
	c.leaving = append(c.leaving, req)
	if !c.reader.master.IsZero() {
		c.resync("this endpoint has taken over the store", true)
	}
	c.seek()
}

// answerLeaving answers who waits for the writes, when there are none.
func (c *Clone) answerLeaving() {
	w := &c.writes
	if len(c.leaving) == 0 || len(w.queue)+len(w.sent)+len(w.late)+len(w.asked) > 0 {
		return
	}
	for _, req := range c.leaving {
		req.answer(answer{ok: true})
	}
	c.leaving, c.left = nil, true
}
