// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"reflect"

	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

func isMessage(env wire.Envelope) bool {
	return env.Type <= wire.TypeCommand || env.Type == wire.TypeStampedData || env.Type == wire.TypeStampedCommand
}

// unstamped takes the stamp off the payload of a message, if it has one.
func unstamped(env wire.Envelope) (payload []byte, st *wire.Stamp) {
	if env.Type != wire.TypeStampedData && env.Type != wire.TypeStampedCommand {
		return env.Payload, nil
	}
	st = new(wire.Stamp)
	n, err := wire.ParseStamp(st, env.Payload, &env.Sender)
	if err != nil {
		return nil, nil
	}
	return env.Payload[n:], st
}

// anyNumber puts the distance to the last one of its kind in the place of the number in a stamp: where numbers begin depends on time.
func (r *replay) anyNumber(env wire.Envelope, last *[2]uint64) wire.Envelope {
	payload, st := unstamped(env)
	if st == nil {
		return env
	}
	lane := &last[env.Type-wire.TypeStampedData]
	step := min(st.Number-*lane, 1<<32)
	*lane, st.Number = st.Number, step
	env.Payload = append(st.Append(nil, env.Sender), payload...)
	return env
}

// compareLinkState compares the last link state of the endpoint with the last recorded one, but for the version.
func (r *replay) compareLinkState() {
	want, err := wire.ParseLinkState(r.recorded)
	if r.recorded == nil || err != nil {
		return
	}
	got, err := wire.ParseLinkState(r.received)
	if err != nil {
		r.t.Fatalf("link state: %v", err)
	}
	got.Version = want.Version
	if !reflect.DeepEqual(got, want) {
		r.t.Errorf("%s: link state %+v, recorded %+v", r.conv.Name, got, want)
	}
}
