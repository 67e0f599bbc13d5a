// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
	"github.com/brokermesh/brokermesh/pkg/ctl/capture/capturetest"
)

// Frames between nodes of brokermesh show origin, hops and age; a capture that
// begins among them finds its way in.
func TestCaptureOfNodes(t *testing.T) {
	stamp := wire.Stamp{Origin: data.EndpointID{5}, Entering: dialer, Number: 7, Hops: 2, Sent: capturetest.Started.Add(-time.Second).UnixNano()}
	state := wire.LinkState{Node: dialer, Version: 3, Neighbours: []data.EndpointID{listener}, Wants: []string{"/a"}, Leaves: []wire.Leaf{{ID: data.EndpointID{5}, Class: wire.LeafClient}}}
	frame := func(typ wire.Type, topic string, payload []byte) []byte {
		b, err := wire.AppendFrame(nil, &wire.Envelope{Sender: dialer, Type: typ, TTL: 64, Topic: []byte(topic), Payload: payload})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	raw := slices.Concat(
		[]byte("the end of a frame"),
		frame(wire.TypeStampedData, "/t", data.Count(1).AppendBinary(stamp.Append(nil, dialer))),
		frame(wire.TypeLinkState, "<$>", state.Append(nil)),
		frame(wire.TypeStampedData, "/t", []byte{0xff}),
	)
	packets := capturetest.Form{Link: layers.LinkTypeRaw}.Capture(t, capturetest.New(4000).Send(false, 1000, raw))
	var out, notes bytes.Buffer
	if err := Capture(t.Context(), bytes.NewReader(packets), Output{}, &out, &notes); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"note               18 bytes passed over to the next frame\n",
		"data               /t  1  [from 05000000-0000-0000-0000-000000000000, 2 hops]\n",
		"link_state         01020300-0000-0000-0000-000000000000, version 3, 1 neighbour, 1 leaf, wants \"/a\"\n",
		"data               /t  UNREADABLE: ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	out.Reset()
	if err := Capture(t.Context(), bytes.NewReader(packets), Output{JSON: true, Count: 1, Filter: Filter{From: "0500"}}, &out, &notes); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"origin":"05000000-`, `"hops":2`, `"ageNanoseconds":1001000000`, `"topic":"/t"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, &out)
		}
	}
}
