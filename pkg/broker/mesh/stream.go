// SPDX-License-Identifier: Apache-2.0

package mesh

// Lane tells data from commands, which are numbered for themselves.
type Lane uint8

// The lanes.
const (
	LaneData Lane = iota
	LaneCommand
	lanes
)

// Verdict is what becomes of a message that came in.
type Verdict uint8

// The verdicts.
const (
	Accepted Verdict = iota
	// Duplicate: the message came before, or one that was sent after it did.
	Duplicate
	// NotParent: it came from a node that is not the way to its root.
	NotParent
)

// Stream is what a receiver remembers of the messages of one origin that entered at one node. It is not for concurrent use: whoever
// accepts a message also delivers it and passes it on before somebody else may ask about the next one.
type Stream struct {
	from [lanes]ID
	last [lanes]uint64
}

// Accept judges a message that a neighbour sent, where parent is the receiver's parent in the tree of the entering node. What the last
// message's sender sends is still taken after it has ceased to be the parent, until the new parent has sent something: it was under
// way when the path changed.
func (s *Stream) Accept(from, parent ID, lane Lane, number uint64) Verdict {
	if from != parent && from != s.from[lane] {
		return NotParent
	}
	v := s.AcceptAny(lane, number)
	if v == Accepted {
		s.from[lane] = from
	}
	return v
}

// AcceptAny judges a message by its number alone: a leaf takes messages from each node that it is attached to.
func (s *Stream) AcceptAny(lane Lane, number uint64) Verdict {
	if number <= s.last[lane] {
		return Duplicate
	}
	s.last[lane] = number
	return Accepted
}
