// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"encoding/binary"

	"github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// forward passes a message on with this endpoint as sender and one hop less to go. shared, if not nil, is a copy of the payload that
// the queues may keep. The frame is changed in place.
func (p *peer) forward(en *entry, shared []byte, lane peering.Lane) {
	rt := en.route
	if p.e.tracers.on() {
		p.e.tracers.passed(p, en)
	}
	if rt.others() == 0 || len(en.payload) == 0 && en.attached == nil {
		return
	}
	body := en.frame[wire.FrameHeader:]
	ttl := binary.BigEndian.Uint16(body[wire.TTLAt:])
	if ttl <= 1 {
		p.drop(DropTTL, uint64(rt.others()))
		return
	}
	copy(body[wire.SenderAt:], p.e.opt.ID[:])
	binary.BigEndian.PutUint16(body[wire.TTLAt:], ttl-1)
	if en.stamped > 0 {
		p.relay(en, body, shared, lane)
	} else {
		p.letIn(en, body, shared, lane)
	}
}

// relay passes on a message that came with a stamp.
func (p *peer) relay(en *entry, body, shared []byte, lane peering.Lane) {
	rt := en.route
	head, stamp := len(body)-len(en.payload)-en.stamped, body[len(body)-len(en.payload)-en.stamped:]
	if hops := en.stamp.Hops; hops < 255 {
		stamp[wire.HopsAt] = hops + 1
		en.stamp.Hops = hops + 1
	}
	if wire.Relayable(stamp) && en.attached == nil {
		sendWhole(rt.stamped, lane, en.frame, shared)
	} else if len(rt.stamped) > 0 {
		p.in.scratch = en.stamp.Append(p.in.scratch[:0], p.e.opt.ID)
		sendParts(rt.stamped, lane, body[:head], p.in.scratch, en, shared)
	}
	if len(rt.peers) > 0 {
		body[wire.TypeAt] = byte(en.typ)
		if ttl := binary.BigEndian.Uint16(body[wire.TTLAt:]); ttl > plainTTL {
			binary.BigEndian.PutUint16(body[wire.TTLAt:], plainTTL)
		}
		sendParts(rt.peers, lane, body[:head], nil, en, shared)
	}
}

// letIn passes on a message that came without a stamp: it enters the mesh here, or doesn't go there.
func (p *peer) letIn(en *entry, body, shared []byte, lane peering.Lane) {
	rt := en.route
	head := body[:len(body)-len(en.payload)]
	if en.attached == nil {
		sendWhole(rt.peers, lane, en.frame, shared)
	} else {
		sendParts(rt.peers, lane, head, nil, en, nil)
	}
	if len(rt.stamped) == 0 {
		return
	}
	body[wire.TypeAt] = byte(stampedType(en.typ))
	// A leaf that doesn't limit the hops leaves the limit to this node.
	if ttl := binary.BigEndian.Uint16(body[wire.TTLAt:]); ttl == plainTTL-1 {
		binary.BigEndian.PutUint16(body[wire.TTLAt:], p.in.routes.stampedTTL)
	}
	st := en.stamp
	st.Hops++
	p.in.scratch = st.Append(p.in.scratch[:0], p.e.opt.ID)
	sendParts(rt.stamped, lane, head, p.in.scratch, en, shared)
}

func stampedType(t wire.Type) wire.Type { return t - wire.TypeData + wire.TypeStampedData }

// sendWhole queues a frame for peers. shared, if not nil, is its payload.
func sendWhole(to []*peer, lane peering.Lane, frame, shared []byte) {
	for _, p := range to {
		var r peering.Result
		if shared != nil {
			r = p.Queue.AppendShared(lane, frame[:len(frame)-len(shared)], shared)
		} else {
			r = p.Queue.Append(lane, frame)
		}
		if r != peering.Queued {
			p.settle(r, lane == peering.LaneCommand)
		}
	}
}

// sendParts queues a frame with the payload of an entry for peers; shared, if not nil, stands for the payload.
func sendParts(to []*peer, lane peering.Lane, head, stamp []byte, en *entry, shared []byte) {
	f := peering.Frame{Head: head, Stamp: stamp, Payload: en.payload}
	switch {
	case en.attached != nil:
		f = ownFrame(en.attached.Value, en.attached.Size, to, nil)
		f.Head, f.Stamp = head, stamp
	case shared != nil:
		f.Payload, f.Shared = shared, true
	}
	for _, p := range to {
		if r := p.Queue.Put(lane, &f, peering.ByPolicy); r != peering.Queued {
			p.settle(r, lane == peering.LaneCommand)
		}
	}
}
