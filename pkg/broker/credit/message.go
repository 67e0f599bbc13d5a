// SPDX-License-Identifier: Apache-2.0

package credit

import (
	"errors"
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// What a subscription may ask for to be under flow control.
const (
	MaxPrefixes    = 64
	MaxPrefixBytes = 16 << 10
)

// ErrMalformed says that a value is no message of this protocol.
var ErrMalformed = errors.New("not a message of flow control")

// Grant says how much an origin may have sent of a flow. It goes from the subscriber to the origin.
type Grant struct {
	Flow uint64
	// Number rises with each grant of a flow to one origin.
	Number uint64
	// Epoch is that of the origin's last mark; zero before the first one.
	Epoch uint64
	// Arrived is what has come, or is known to be lost, in this epoch; Room is what may come beyond it.
	Arrived, Room Amount
	// Taken is how many messages, of anybody, the subscriber has taken out of the queue: a sign of life even where there is no room.
	Taken uint64
	// Empty: the queue is empty, so that one message finds room however large it is.
	Empty bool
	// Prefixes are the topics of the flow.
	Prefixes []string
}

// Withdrawal ends a flow. It goes from the subscriber to the origin.
type Withdrawal struct{ Flow uint64 }

// Mark says how much of a flow went out before it. It goes from the origin to the subscriber, in order with the messages.
type Mark struct {
	Flow  uint64
	Epoch uint64
	// Number is that of the newest grant that the origin has seen.
	Number uint64
	// Sent is what went out before the mark at least; exactly that, if Exact.
	Sent  Amount
	Exact bool
	// Need is the size of a message that waits for room; zero if none does.
	Need uint64
}

// Ask asks a node which endpoints it knows. A client sends it, which knows nobody but its nodes.
type Ask struct{}

// Known are endpoints that may publish and know flow control: the answer to Ask.
type Known struct{ IDs []data.EndpointID }

// The kinds of messages, by their first element, and their lengths.
const (
	kindGrant      = 1
	kindWithdrawal = 2
	kindMark       = 3
	kindAsk        = 4
	kindKnown      = 5

	lenGrant      = 11
	lenWithdrawal = 2
	lenMark       = 8
	lenKnown      = 2
)

// Value is the grant as it is sent.
func (g Grant) Value() data.Value {
	prefixes := make([]data.Value, len(g.Prefixes))
	for i, p := range g.Prefixes {
		prefixes[i] = data.String(p)
	}
	return data.Vector(data.Count(kindGrant), data.Count(g.Flow), data.Count(g.Number), data.Count(g.Epoch),
		data.Count(g.Arrived.Messages), data.Count(g.Arrived.Bytes), data.Count(g.Room.Messages), data.Count(g.Room.Bytes),
		data.Count(g.Taken), data.Boolean(g.Empty), data.Vector(prefixes...))
}

// Value is the withdrawal as it is sent.
func (w Withdrawal) Value() data.Value {
	return data.Vector(data.Count(kindWithdrawal), data.Count(w.Flow))
}

// Value is the mark as it is sent.
func (m Mark) Value() data.Value {
	return data.Vector(data.Count(kindMark), data.Count(m.Flow), data.Count(m.Epoch), data.Count(m.Number),
		data.Count(m.Sent.Messages), data.Count(m.Sent.Bytes), data.Boolean(m.Exact), data.Count(m.Need))
}

// Value is the question as it is sent.
func (a Ask) Value() data.Value { return data.Vector(data.Count(kindAsk)) }

// Value is the answer as it is sent: the bytes of the IDs one after the other, of the first MaxOrigins.
func (k Known) Value() data.Value {
	var b []byte
	for _, id := range k.IDs[:min(len(k.IDs), MaxOrigins)] {
		b = append(b, id[:]...)
	}
	return data.Vector(data.Count(kindKnown), data.String(string(b)))
}

// Parse reads a message: a Grant, Withdrawal, Mark, Ask or Known. Elements behind those that are known are ignored.
func Parse(v data.Value) (any, error) {
	r := reader{v: v}
	switch kind := r.count(); {
	case r.bad:
	case kind == kindGrant && v.Len() >= lenGrant:
		g := Grant{Flow: r.count(), Number: r.count(), Epoch: r.count(), Arrived: r.amount(), Room: r.amount(), Taken: r.count(), Empty: r.boolean(), Prefixes: r.prefixes()}
		if !r.bad && g.Number > 0 {
			return g, nil
		}
	case kind == kindWithdrawal && v.Len() >= lenWithdrawal:
		if w := (Withdrawal{Flow: r.count()}); !r.bad {
			return w, nil
		}
	case kind == kindMark && v.Len() >= lenMark:
		m := Mark{Flow: r.count(), Epoch: r.count(), Number: r.count(), Sent: r.amount(), Exact: r.boolean(), Need: r.count()}
		if !r.bad && m.Epoch > 0 {
			return m, nil
		}
	case kind == kindAsk:
		return Ask{}, nil
	case kind == kindKnown && v.Len() >= lenKnown:
		if k := (Known{IDs: r.ids()}); !r.bad {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%w: a %v of %d bytes", ErrMalformed, v.Kind(), v.BinarySize())
}

// reader takes the elements of a vector one after the other.
type reader struct {
	v   data.Value
	i   int
	bad bool
}

func (r *reader) next() data.Value {
	if r.v.Kind() != data.KindVector {
		r.bad = true
		return data.None()
	}
	e, ok := r.v.Index(r.i)
	r.i++
	r.bad = r.bad || !ok
	return e
}

func (r *reader) count() uint64 {
	n, ok := r.next().AsCount()
	r.bad = r.bad || !ok
	return n
}

func (r *reader) boolean() bool {
	b, ok := r.next().AsBoolean()
	r.bad = r.bad || !ok
	return b
}

func (r *reader) amount() Amount { return Amount{Messages: r.count(), Bytes: r.count()} }

func (r *reader) ids() (out []data.EndpointID) {
	s, ok := r.next().AsString()
	const size = len(data.EndpointID{})
	if !ok || len(s)%size != 0 || len(s) > MaxOrigins*size {
		r.bad = true
		return nil
	}
	for ; s != ""; s = s[size:] {
		out = append(out, data.EndpointID([]byte(s[:size])))
	}
	return out
}

func (r *reader) prefixes() []string {
	list := r.next()
	if list.Kind() != data.KindVector || list.Len() > MaxPrefixes {
		r.bad = true
		return nil
	}
	out := make([]string, 0, list.Len())
	bytes := 0
	for i := range list.Len() {
		e, _ := list.Index(i)
		s, ok := e.AsString()
		bytes += len(s)
		if !ok || bytes > MaxPrefixBytes {
			r.bad = true
			return nil
		}
		out = append(out, s)
	}
	return out
}

// Controllable tells whether a subscription to so many prefixes can be under flow control.
func Controllable(prefixes []string) bool {
	bytes := 0
	for _, p := range prefixes {
		bytes += len(p)
	}
	return len(prefixes) <= MaxPrefixes && bytes <= MaxPrefixBytes
}
