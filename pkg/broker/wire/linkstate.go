// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

const (
	linkStateVersion = 1
	linkStateTimes   = 1 << 0
	// MaxLinkState is the largest payload with a LinkState, MaxLinkEntries the largest number of neighbours or leaves in it.
	MaxLinkState   = 1 << 20
	MaxLinkEntries = 10_000
)

// LinkState is what a node of a mesh tells all the others about itself:
//
//	u8   format: 1. Later formats may be longer; what this one knows stands in front
//	[16] node
//	u64  version
//	u8   flags: 1 stamps are to carry the time of entry; others are ignored
//	varbyte count, then so many neighbours, [16] each
//	filter of the node's own wants
//	varbyte count, then so many leaves: [16] ID, u8 class, filter
type LinkState struct {
	Node data.EndpointID
	// Version rises with each advertisement of the node; only the newest counts.
	Version uint64
	// Times asks entering nodes for the time of entry in stamps.
	Times bool
	// Neighbours are the nodes of the mesh that the node is peered with.
	Neighbours []data.EndpointID
	// Wants are the prefixes that the node itself wants.
	Wants []string
	// Leaves are the node's peers that are not nodes of the mesh.
	Leaves []Leaf
}

// Leaf is an endpoint that is attached to a node of a mesh.
type Leaf struct {
	ID data.EndpointID
	// Class is LeafNode, LeafClient, LeafForeign, or something later.
	Class  uint8
	Filter []string
}

// The classes of leaves.
const (
	// LeafNode is a node that takes no part in whole-mesh routing.
	LeafNode uint8 = 1
	// LeafClient is an endpoint of this project that forwards nothing.
	LeafClient uint8 = 2
	// LeafForeign is any other endpoint.
	LeafForeign uint8 = 3
)

// Append appends the link state as the payload of a frame.
func (l *LinkState) Append(dst []byte) []byte {
	dst = append(append(dst, linkStateVersion), l.Node[:]...)
	dst = binary.BigEndian.AppendUint64(dst, l.Version)
	flags := byte(0)
	if l.Times {
		flags |= linkStateTimes
	}
	dst = data.AppendVarbyte(append(dst, flags), uint32(len(l.Neighbours)))
	for _, n := range l.Neighbours {
		dst = append(dst, n[:]...)
	}
	dst = AppendFilter(dst, l.Wants)
	dst = data.AppendVarbyte(dst, uint32(len(l.Leaves)))
	for _, leaf := range l.Leaves {
		dst = AppendFilter(append(append(dst, leaf.ID[:]...), leaf.Class), leaf.Filter)
	}
	return dst
}

// linkReader reads the fields of a link state; the first error stays.
type linkReader struct {
	b   []byte
	at  int
	err error
}

func (r *linkReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &Error{r.at, fmt.Sprintf(format, args...)}
	}
}

// take answers the next n bytes; zeros if there are not so many.
func (r *linkReader) take(n int) []byte {
	if r.err == nil && len(r.b)-r.at < n {
		r.fail("truncated link state")
	}
	if r.err != nil {
		return make([]byte, n)
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

func (r *linkReader) id() data.EndpointID {
	id := data.EndpointID(r.take(16))
	if r.err == nil && id.IsZero() {
		r.fail("link state with a zero ID")
	}
	return id
}

// count reads a number of entries that take at least so many bytes each.
func (r *linkReader) count(size int) int {
	if r.err != nil {
		return 0
	}
	n, k, err := data.Varbyte(r.b[r.at:])
	if err != nil {
		r.fail("number of entries: %v", err)
		return 0
	}
	if uint64(n) > uint64(min(MaxLinkEntries, (len(r.b)-r.at-k)/size)) {
		r.fail("%d entries, but %d bytes are left and at most %d are allowed", n, len(r.b)-r.at-k, MaxLinkEntries)
		return 0
	}
	r.at += k
	return int(n)
}

func (r *linkReader) filter() []string {
	if r.err != nil {
		return nil
	}
	f, n, err := parseFilterPrefix(r.b[r.at:])
	if err != nil {
		r.fail("%v", err)
		return nil
	}
	r.at += n
	return f
}

// ParseLinkState reads the payload of a link state. The error is an *Error.
func ParseLinkState(payload []byte) (*LinkState, error) {
	if len(payload) > MaxLinkState {
		return nil, &Error{0, fmt.Sprintf("link state of %d bytes, at most %d are allowed", len(payload), MaxLinkState)}
	}
	r := &linkReader{b: payload}
	format := r.take(1)[0]
	if format == 0 {
		r.fail("link state of format 0")
	}
	l := &LinkState{Node: r.id(), Version: binary.BigEndian.Uint64(r.take(8))}
	l.Times = r.take(1)[0]&linkStateTimes != 0
	for range r.count(16) {
		l.Neighbours = append(l.Neighbours, r.id())
	}
	l.Wants = r.filter()
	for range r.count(18) {
		l.Leaves = append(l.Leaves, Leaf{r.id(), r.take(1)[0], r.filter()})
	}
	if format == linkStateVersion && r.at != len(payload) {
		r.fail("%d bytes after the link state", len(payload)-r.at)
	}
	if r.err != nil {
		return nil, r.err
	}
	return l, nil
}
