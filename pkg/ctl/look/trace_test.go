// SPDX-License-Identifier: Apache-2.0

package look

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/client"
	"github.com/brokermesh/brokermesh/pkg/inspect"
)

var optionsOfNobody = client.Options{}

// routed gives the fake a route from north to all who want /s.
func routed() *fakeMesh {
	f := newFakeMesh()
	f.routes[north] = inspect.Route{Steps: []inspect.Step{
		{From: north, To: east, Hops: 1}, {From: east, To: south, Wants: true, Hops: 2}, {From: south, To: zeek, Leaf: true, Wants: true, Hops: 3},
	}}
	f.routes[south] = inspect.Route{Steps: []inspect.Step{{From: south, To: zeek, Leaf: true, Wants: true, Hops: 1}}}
	f.routes[east] = inspect.Route{}
	return f
}

func TestPrediction(t *testing.T) {
	for origin, want := range map[string]string{
		"": `
/s/1 would go so:
north: publishes it
└─ east (1 hop): passes it on
   └─ south\n (2 hops): wants it
      └─ 2e000000 (3 hops): foreign, wants it
and not to:
  60000000: no path of connections leads there
`,
		"03": `
/s/1 would go so:
south\n: publishes it (its own subscribers don't get that)
└─ 2e000000 (1 hop): foreign, wants it
and not to:
  60000000: no path of connections leads there
  east: nobody there or behind it wants the topic
  north: nobody there or behind it wants the topic
`,
		"east": `
/s/1 would go so:
east: publishes it; nobody else wants it
and not to:
  2e000000: foreign as the publisher, and attached to the same node: the two may be peered with each other
  60000000: no path of connections leads there
  north: nobody there or behind it wants the topic
  south\n: nobody there or behind it wants the topic
`,
	} {
		var out bytes.Buffer
		if err := routed().mesh().trace(t.Context(), TraceOptions{Topic: "/s/1", Origin: origin}, &out); err != nil {
			t.Fatal(err)
		}
		tree, _, _ := strings.Cut(out.String(), "Foreign endpoints")
		same(t, tree, want)
	}
	var out bytes.Buffer
	if err := routed().mesh().trace(t.Context(), TraceOptions{Topic: "/s/1", JSON: true}, &out); err != nil {
		t.Fatal(err)
	}
	var doc prediction
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil || doc.Topic != "/s/1" || len(doc.Steps) != 3 || len(doc.Absent) != 1 || doc.Entering != north {
		t.Errorf("%+v, %v", doc, err)
	}
	if err := routed().mesh().trace(t.Context(), TraceOptions{Topic: "/s", Origin: "nobody"}, &out); ctl.Code(err) != ctl.ExitBadInput {
		t.Errorf("an unknown origin: %v", err)
	}
}

// sent makes the fake record how a message of this command went.
func (f *fakeMesh) sent(string, data.Value) error {
	at := started
	record := func(node data.EndpointID, after time.Duration, r inspect.TraceRecord) {
		r.Time, r.Topic, r.Origin, r.Entering, r.Number = at.Add(after+f.clocks[node].Ahead), "/s/1", me, north, 7
		r.Receivers = max(r.Receivers, len(r.To))
		f.records[node] = append(f.records[node], r)
	}
	f.Lock()
	defer f.Unlock()
	record(north, 0, inspect.TraceRecord{From: me, To: []data.EndpointID{east}, Delivered: 1})
	record(east, 300*time.Microsecond, inspect.TraceRecord{From: north, To: []data.EndpointID{south}, Receivers: 3})
	record(east, 400*time.Microsecond, inspect.TraceRecord{From: south, Dropped: "duplicate"})
	record(south, 500*time.Microsecond, inspect.TraceRecord{From: east})
	return nil
}

func TestSend(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := routed()
			m := f.mesh()
			m.publish = f.sent
			value := data.Count(1)
			var out bytes.Buffer
			if err := m.trace(t.Context(), TraceOptions{Topic: "/s/1", Send: &value, JSON: asJSON}, &out); err != nil {
				t.Fatal(err)
			}
			if asJSON {
				dec := json.NewDecoder(&out)
				var p prediction
				var w way
				if err := errors.Join(dec.Decode(&p), dec.Decode(&w)); err != nil || p.Origin != me || w.Number != 7 || len(w.Records) != 4 || w.Records[1].Name != "east" {
					t.Errorf("%+v, %v", w, err)
				}
				return
			}
			_, tree, _ := strings.Cut(out.String(), "/s/1 from ")
			head, tree, _ := strings.Cut(tree, "\n")
			if !strings.HasPrefix(head, "(this command), number 7, ") {
				t.Errorf("head %q", head)
			}
			same(t, tree, `
north: delivered to 1 consumer, passed to east
└─ east +300µs: passed to south\n and 2 more
   └─ south\n +500µs: went nowhere
      └─ east +400µs: dropped, from south\n: duplicate
`)
		})
	}
}

func TestSendToNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := routed().mesh()
		value := data.Count(1)
		err := m.trace(t.Context(), TraceOptions{Topic: "other", Send: &value}, new(bytes.Buffer))
		if err == nil || !strings.Contains(err.Error(), "goes nowhere") {
			t.Errorf("a topic that nobody wants: %v", err)
		}
		if err := m.trace(t.Context(), TraceOptions{Topic: "/s", Send: &value}, new(bytes.Buffer)); ctl.Code(err) != ctl.ExitTimeout {
			t.Errorf("no records: %v", err)
		}
	})
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := routed()
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			time.Sleep(5 * time.Second)
			_ = f.sent("", data.Value{})
		}()
		var out bytes.Buffer
		if err := f.mesh().trace(ctx, TraceOptions{Topic: "/s", Watch: true, Count: 1}, &out); err != nil || !strings.Contains(out.String(), "number 7") {
			t.Errorf("%v\n%s", err, &out)
		}
		go func() {
			time.Sleep(time.Minute)
			cancel(errStopped)
		}()
		if err := f.mesh().trace(ctx, TraceOptions{Topic: "/s", Watch: true}, &out); !errors.Is(err, context.Canceled) {
			t.Errorf("stopped: %v", err)
		}
	})
}
