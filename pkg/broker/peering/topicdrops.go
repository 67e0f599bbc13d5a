// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

const (
	// maxTopicDrops is how many prefixes are told apart.
	maxTopicDrops = 64
	// maxTopicPrefix is how many bytes of a topic are looked at.
	maxTopicPrefix = 128
)

// OtherTopics stands for the topics beyond those that are told apart.
const OtherTopics = "(other)"

// TopicDrops counts what was dropped by topic, or rather by the first two segments of it: "/zeek/conn" for "/zeek/conn/new". It holds at
// most 64 of them; the rest is counted as OtherTopics. The zero TopicDrops is empty. It is not safe for concurrent use.
type TopicDrops struct {
	counts map[string]*topicCount
	last   *topicCount // what was counted last
	other  uint64
}

type topicCount struct {
	prefix string
	n      uint64
}

// drop counts a frame, given from its header on.
func (d *TopicDrops) drop(head []byte) {
	var name []byte
	if len(head) >= wire.TopicAt {
		name = head[wire.TopicAt:]
		name = name[:min(len(name), int(binary.BigEndian.Uint16(head[wire.TopicLenAt:])))]
	}
	prefix := twoSegments(name)
	if d.last == nil || d.last.prefix != string(prefix) {
		if d.last = d.counter(prefix); d.last == nil {
			d.other++
			return
		}
	}
	d.last.n++
}

// counter finds or makes the counter of a prefix; nil if there are too many. The prefix is copied.
func (d *TopicDrops) counter(prefix []byte) *topicCount {
	c := d.counts[string(prefix)]
	if c == nil {
		if len(d.counts) >= maxTopicDrops {
			return nil
		}
		if d.counts == nil {
			d.counts = make(map[string]*topicCount)
		}
		c = &topicCount{prefix: string(prefix)}
		d.counts[c.prefix] = c
	}
	return c
}

// twoSegments cuts a topic behind its second segment. A slash in front begins the first one.
func twoSegments(name []byte) []byte {
	name = name[:min(len(name), maxTopicPrefix)]
	at := 0
	if len(name) > 0 && name[0] == '/' {
		at = 1
	}
	for range 2 {
		n := bytes.IndexByte(name[at:], '/')
		if n < 0 {
			return name
		}
		at += n + 1
	}
	return name[:at-1]
}

// merge adds what another one has counted.
func (d *TopicDrops) merge(o *TopicDrops) {
	for prefix, from := range o.counts {
		if c := d.counter([]byte(prefix)); c != nil {
			c.n += from.n
		} else {
			d.other += from.n
		}
	}
	d.other += o.other
}

// Add adds counts as Counts answers them.
func (d *TopicDrops) Add(counts map[string]uint64) {
	for prefix, n := range counts {
		if prefix == OtherTopics {
			d.other += n
		} else if c := d.counter([]byte(prefix)); c != nil {
			c.n += n
		} else {
			d.other += n
		}
	}
}

// Counts are the counts by prefix, nil if there are none. Bytes that are not UTF-8 are shown as question marks.
func (d *TopicDrops) Counts() map[string]uint64 {
	if len(d.counts) == 0 && d.other == 0 {
		return nil
	}
	out := make(map[string]uint64, len(d.counts)+1)
	for prefix, c := range d.counts {
		out[strings.ToValidUTF8(prefix, "?")] += c.n
	}
	if d.other > 0 {
		out[OtherTopics] += d.other
	}
	return out
}

// TopicDrops are the messages that were dropped, by the beginning of their topics.
func (q *Queue) TopicDrops() map[string]uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.topics.Counts()
}
