// SPDX-License-Identifier: Apache-2.0

package look

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/inspect"
)

func TestPeers(t *testing.T) {
	p := newFakeMesh().picture(t)
	var out bytes.Buffer
	if err := write(&out, peersTable(p, time.Now()), append(peersSummary(p), p.remarks()...), 0); err != nil {
		t.Fatal(err)
	}
	same(t, out.String(), `
 NODE     PEER            CLASS    ADDRESS         STATE                   SINCE  RTT    QUEUED  DROPPED  FLAPS  ID
 east     north           Node     10.0.0.1:40000  Peered                  1h0m   250µs  0       0        0      01000000
          south\n         Node     10.0.0.3:9999   Peered                  1h0m   250µs  0       0        0      03000000
 north    east            Node     10.0.0.2:9999   Peered                  1h0m   250µs  0       0        0      02000000
          (this command)  Client   10.0.0.7:5      Peered                  1h0m   250µs  0       0        0      ee000000
 south\n  east            Node     10.0.0.2:40001  Peered                  1h0m   250µs  0       0        0      02000000
          -               Foreign  10.0.0.9:4000   Peered                  1h0m   -      3       7        0      2e000000
          south-nowhere   Unknown  10.0.0.8:9999   Disconnected (Refused)  1m30s  -      0       0        2      -
 3 nodes, 2 connections between nodes, 1 foreign endpoint, 1 peering that does not stand
 Foreign endpoints answer no questions: what is shown of them is what the node next to them sees.
`)
	raw, err := json.Marshal(p.document())
	if err != nil || !strings.Contains(string(raw), `"class":"Foreign"`) || !strings.Contains(string(raw), `"rttNanoseconds":250000`) {
		t.Errorf("%s, %v", raw, err)
	}
}

// A node that is known and does not answer is named; one that the first does
// not reach is not asked.
func TestSilent(t *testing.T) {
	f := newFakeMesh()
	delete(f.reports, south)
	p := f.picture(t)
	if len(p.Reports) != 2 || len(p.Silent) != 1 || p.Silent[0].ID != south {
		t.Fatalf("%d reports, silent: %v", len(p.Reports), p.Silent)
	}
	if lines := strings.Join(p.remarks(), "\n"); !strings.Contains(lines, south.String()+" did not answer: no way") {
		t.Error(lines)
	}
	delete(f.reports, north)
	if _, err := f.mesh().picture(t.Context()); err == nil {
		t.Error("the first node did not answer, and there is a picture")
	}
}

func TestTopics(t *testing.T) {
	f := newFakeMesh()
	before := f.picture(t)
	wants := wantsOf(before, f.picture(t))
	var out bytes.Buffer
	if err := write(&out, wantsTable(wants), nil, 0); err != nil {
		t.Fatal(err)
	}
	same(t, out.String(), `
 PREFIX                WANTED BY            AS          MSG/S  QUEUED  DROPPED
 "/n"                  north                subscriber  7.0    4       0
 "/s"                  south\n              wants       -      0       0
                       2e000000 at south\n  foreign     10     3       7
 "db/<$>/data/master"  north                store       -      0       0
`)
	delete(f.reports, south)
	if wants := wantsOf(before, f.picture(t)); len(wants) != 3 || wants[1].Prefix != "/s" || wants[1].As != "node" || wants[1].Rate != nil {
		t.Errorf("wants of a silent node: %+v", wants)
	}
}

func TestTop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		if err := newFakeMesh().mesh().top(t.Context(), TopOptions{Interval: time.Second, Once: true}, &out); err != nil {
			t.Fatal(err)
		}
		same(t, out.String(), `
 NODE     PEER            CLASS         MSG/S IN  OUT  BYTES/S IN  OUT   QUEUED  DROPS/S         SUBSCRIBERS
 east                                   40        20   9000        4000  0       1.0 ttl         0
          north           Node          20        10   3000        1500  0       -
          south\n         Node          20        10   3000        1500  0       -
 north                                  40        20   9000        4000  4       1.0 ttl         1
          east            Node          20        10   3000        1500  0       -
          (this command)  Client        20        10   3000        1500  0       -
 south\n                                60        30   9000        4000  0       1.0 ttl         0
          east            Node          20        10   3000        1500  0       -
          2e000000        Foreign       20        10   3000        1500  3       5.0 peer_queue
          south-nowhere   Disconnected  20        10   3000        1500  0       -
 Foreign endpoints answer no questions: what is shown of them is what the node next to them sees.
`)
		out.Reset()
		if err := newFakeMesh().mesh().top(t.Context(), TopOptions{Interval: time.Second, Once: true, JSON: true}, &out); err != nil {
			t.Fatal(err)
		}
		var doc struct{ Nodes []nodeTraffic }
		if err := json.Unmarshal(out.Bytes(), &doc); err != nil || len(doc.Nodes) != 3 || doc.Nodes[1].Peers[0].Out != 10 {
			t.Errorf("%+v, %v", doc, err)
		}
		if err := foreignMesh().top(t.Context(), TopOptions{Interval: time.Second}, &out); err == nil || !strings.Contains(err.Error(), "foreign") {
			t.Errorf("a foreign endpoint: %v", err)
		}
	})
}

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeMesh()
		delete(f.clocks, south)
		p := f.picture(t)
		all, err := f.mesh().pingNodes(t.Context(), p, 3)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := write(&out, pingTable(all), nil, 0); err != nil {
			t.Fatal(err)
		}
		same(t, out.String(), `
 ENDPOINT                           MIN     AVG     P99     LOST  CLOCK                   ID
 east                               2.00ms  2.00ms  2.00ms  0/3   3600.00s ahead ±1.00ms  02000000
 north                              1.00ms  1.00ms  1.00ms  0/3   same ±500µs             01000000
 south\n                            -       -       -       3/3   -                       03000000
 2e000000 (as south\n measures it)  -       -       -       -     -                       2e000000
`)
		all, err = foreignMesh().pingForeign(t.Context(), 2)
		if err != nil || len(all) != 1 || all[0].Avg != 4*time.Millisecond || all[0].Ahead != nil || all[0].How != howPing {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

func TestSeries(t *testing.T) {
	var s series
	for i := range 200 {
		s.clocks = append(s.clocks, inspect.Clock{RTT: time.Duration(200-i) * time.Millisecond, Ahead: time.Duration(i)})
	}
	s.sent = 201
	r := s.result()
	if r.Min != time.Millisecond || r.P99 != 198*time.Millisecond || r.Avg != 100500*time.Microsecond || r.Lost != 1 || *r.Ahead != 199 {
		t.Errorf("%+v", r)
	}
}

func TestForeign(t *testing.T) {
	m := foreignMesh()
	p, err := m.picture(t.Context())
	if err != nil || p.Foreign == nil {
		t.Fatal(p, err)
	}
	if rows := peersTable(p, time.Now()); len(rows) != 2 || rows[1][2] != classForeign || rows[1][0] != myself {
		t.Errorf("%q", rows)
	}
	if lines := peersSummary(p); !strings.Contains(lines[0], "foreign") {
		t.Errorf("%q", lines)
	}
	if wants := wantsOf(p, p); len(wants) != 1 || wants[0].Prefix != "/s" || wants[0].As != "foreign" {
		t.Errorf("%+v", wants)
	}
	if err := m.trace(t.Context(), TraceOptions{Topic: "/t"}, new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "foreign") {
		t.Errorf("trace: %v", err)
	}
}

func TestFind(t *testing.T) {
	p := newFakeMesh().picture(t)
	for text, want := range map[string]data.EndpointID{"north": north, "north-0": north, "east": east, "03000000-": south} {
		if id, err := p.Find(text); err != nil || id != want {
			t.Errorf("%s is %v, %v", text, id, err)
		}
	}
	for _, text := range []string{"west", "0"} {
		if id, err := p.Find(text); err == nil {
			t.Errorf("%s is %v", text, id)
		}
	}
}

func TestGuide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeMesh()
		g, err := newGuide(t.Context(), f.mesh(), func() {})
		if err != nil {
			t.Fatal(err)
		}
		for id, want := range map[data.EndpointID]string{north: "north", me: myself, zeek: `2e000000 at south\n`, {0x77}: "77000000"} {
			if got := g.Name(id); got != want {
				t.Errorf("%v is called %q, want %q", id, got, want)
			}
		}
		stamped := started.Add(time.Minute)
		for id, ahead := range map[data.EndpointID]time.Duration{east: time.Hour, zeek: -time.Second, me: 0} {
			if at, ok := g.Sent(id, stamped); !ok || at != stamped.Add(-ahead) {
				t.Errorf("sent by %v at %v, %v", id, at, ok)
			}
		}
		if _, ok := g.Sent(data.EndpointID{0x77}, stamped); ok {
			t.Error("clocks differ, and a message of unknown entry has an age")
		}
		if _, ok := g.Sent(north, time.Time{}); ok {
			t.Error("a message without stamp has an age")
		}
		time.Sleep(2*refresh + time.Second)
		synctest.Wait()
		g.Close()
		if f.taps != 3 {
			t.Errorf("asked for stamps %d times in %v", f.taps, 2*refresh)
		}
	})
}

func TestOptions(t *testing.T) {
	for name, err := range map[string]error{
		"top":         Top(t.Context(), optionsOfNobody, TopOptions{}, nil),
		"ping":        Ping(t.Context(), optionsOfNobody, 0, false, nil),
		"trace":       Trace(t.Context(), optionsOfNobody, TraceOptions{}, nil),
		"trace count": Trace(t.Context(), optionsOfNobody, TraceOptions{Topic: "/t", Count: -1}, nil),
		"peers":       Peers(t.Context(), optionsOfNobody, false, nil),
	} {
		if ctl.Code(err) != ctl.ExitBadInput {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{roundTrip(0), "-"}, {roundTrip(999 * time.Nanosecond), "1µs"}, {roundTrip(1234567), "1.23ms"}, {roundTrip(45678901), "45.7ms"}, {roundTrip(1500 * time.Millisecond), "1.50s"},
		{span(-1), "-"}, {span(59 * time.Second), "59s"}, {span(61 * time.Second), "1m1s"}, {span(25 * time.Hour), "1d1h"},
		{perSecond(0.01), "0"}, {perSecond(9.96), "10.0"}, {perSecond(9999), "9999"}, {perSecond(12345), "12.3k"}, {perSecond(12345678), "12.3M"},
		{clockText(pinged{}), "-"}, {clockText(pinged{Min: 2e6, Ahead: ptr(-5 * time.Millisecond)}), "5.00ms behind ±1.00ms"},
	} {
		if tc.got != tc.want {
			t.Errorf("%q, want %q", tc.got, tc.want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

var errStopped = errors.New("stopped")
