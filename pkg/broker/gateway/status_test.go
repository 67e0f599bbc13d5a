// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/zeek"
)

// Clients come and go as status events of the endpoint, in the recorded order and with one ID each.
func TestStatusEvents(t *testing.T) {
	e := newEndpoint(t)
	events, err := e.SubscribeStatus(false)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	next := func() broker.StatusEvent {
		t.Helper()
		ev, err := events.Get(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return ev
	}
	g := newGateway(t, e, Options{})
	c := join(t, g, `["/t"]`)
	first := next()
	address := g.Sessions()[0].Address
	if first.Code != "endpoint_discovered" || first.Message != "found a new client in the network" || first.Address != address || first.ID.IsZero() {
		t.Errorf("event %v", first)
	}
	expect := func(name, words string) {
		t.Helper()
		if ev := next(); ev.Code != name || ev.Message != words || ev.ID != first.ID || ev.Address != address || ev.Error || ev.Retry != 0 {
			t.Errorf("event %v, want %s(%q)", ev, name, words)
		}
	}
	expect("peer_added", "handshake successful")
	if err := c.Conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	expect("peer_lost", "lost connection to client")
	expect("endpoint_unreachable", "lost the last path")
}

func TestStatusOfOverflow(t *testing.T) {
	o := Options{Limits: Limits{Queue: broker.QueueLimit{Bytes: 1}}}
	inBubble(t, o, func(t *testing.T, g *Gateway, dial func(bool) client) {
		events, err := g.e.SubscribeStatus(false)
		if err != nil {
			t.Fatal(err)
		}
		dial(true).join(g, `["/t"]`)
		for range 3 { // one is on its way, one waits
			if err := g.e.Publish("/t/x", data.Count(1)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		time.Sleep(partingTime)
		synctest.Wait()
		var got []string
		for range 4 {
			ev, err := events.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, ev.Code+" "+ev.Message)
		}
		if want := "peer_removed client removed: caf::sec::backpressure_overflow|endpoint_unreachable lost the last path"; strings.Join(got[2:], "|") != want {
			t.Errorf("events %q", got)
		}
	})
}

func TestSessions(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{Access: Access{Tokens: []Token{{"me", HashToken("s")}}, Anonymous: true}})
	if all := g.Sessions(); len(all) != 0 {
		t.Errorf("sessions %v", all)
	}
	a := dial(t, g, Path, header("X-Application-Name", "app/1", "Authorization", "Bearer s"))
	a.join(g, `["/b","/a"]`)
	b := join(t, g, `[]`)
	b.send(strings.ReplaceAll(one, "/t/x", "/a"))
	a.receive()
	all := g.Sessions()
	if len(all) != 2 {
		t.Fatalf("sessions %v", all)
	}
	for i, s := range all {
		if s.Since.IsZero() || !strings.HasPrefix(s.Address, "127.0.0.1:") {
			t.Errorf("session %+v", s)
		}
		all[i].Since, all[i].Address = time.Time{}, ""
	}
	if all[0].Sent == 0 { // counted after the write
		all[0].Sent = 1
	}
	got := fmt.Sprintf("%+v", all)
	want := fmt.Sprintf("%+v", []Session{
		{Application: "app/1", Identity: "token me", Subscriptions: []string{"/b", "/a"}, Sent: 1},
		{Number: 1, Identity: "anonymous", Received: 1, Subscriptions: []string{}},
	})
	if got != want {
		t.Errorf("sessions %s, want %s", got, want)
	}
}

// What the node itself publishes is for clients too.
func TestClientsHearTheNode(t *testing.T) {
	e := newEndpoint(t)
	g := newGateway(t, e, Options{})
	c := join(t, g, `["/t"]`)
	if err := e.Publish("/t/x", data.Count(1)); err != nil {
		t.Fatal(err)
	}
	c.expect(one)
}

// Who hears of the endpoint's own topics depends on the dialect and on how they are asked for.
func TestLocalTopics(t *testing.T) {
	status := data.Vector(data.String("status"))
	const text = `{"type":"data-message","topic":"<$>/local/data/statuses","@data-type":"vector","data":[{"@data-type":"string","data":"status"}]}`
	for _, c := range []struct {
		dialect       Dialect
		subscriptions string
		hears         bool
	}{
		{DialectAuto, `[""]`, false},
		{DialectAuto, `["/t","<$>/local/data/"]`, true},
		{DialectBroker, `[""]`, true},
		{DialectZeek, `["","<$>/local/data/"]`, false},
	} {
		e := newEndpoint(t)
		g := newGateway(t, e, Options{Dialect: c.dialect})
		client := join(t, g, c.subscriptions)
		e.PublishLocal(topic.Statuses, status)
		if c.hears {
			client.expect(text)
		}
		e.PublishLocal("<$>/brokermesh/x", status) // is for nobody
		last := zeek.NewEvent("x")
		if err := e.Publish("/t/x", last); err != nil {
			t.Fatal(err)
		}
		if got := client.receive(); !strings.Contains(got, `"topic":"/t/x"`) {
			t.Errorf("%s, %s: received %s", c.dialect, c.subscriptions, got)
		}
	}
}

// In Zeek's dialect clients get events only; the rest is passed over in silence.
func TestZeekEventsOnly(t *testing.T) {
	e := newEndpoint(t)
	g := newGateway(t, e, Options{Dialect: DialectZeek})
	c := join(t, g, `["/t"]`)
	event := zeek.NewEvent("ping", data.Count(1))
	for _, v := range []data.Value{data.Count(1), zeek.NewBatch(event), data.Vector(), event} {
		if err := e.Publish("/t/x", v); err != nil {
			t.Fatal(err)
		}
	}
	c.expect(`{"type":"data-message","topic":"/t/x","@data-type":"vector","data":[{"@data-type":"count","data":1},{"@data-type":"count","data":1},` +
		`{"@data-type":"vector","data":[{"@data-type":"string","data":"ping"},{"@data-type":"vector","data":[{"@data-type":"count","data":1}]}]}]}`)
}

// Names of applications and the end of the gateway.
func TestManners(t *testing.T) {
	for _, c := range []struct {
		dialect Dialect
		code    websocket.StatusCode
	}{
		{DialectAuto, websocket.StatusGoingAway},
		{DialectBroker, websocket.StatusNormalClosure},
		{DialectZeek, websocket.StatusGoingAway},
	} {
		g := newGateway(t, newEndpoint(t), Options{Dialect: c.dialect})
		named := dial(t, g, Path, header("X-Application-Name", "not allowed"))
		if c.dialect == DialectBroker {
			named.join(g, `[]`) // the former server didn't look at it
		} else {
			named.expect(`{"type":"error","code":"invalid_application_name","context":"Invalid X-Application-Name"}`)
			named.closed(websocket.StatusPolicyViolation)
		}
		last := join(t, g, `[]`)
		ended := make(chan error, 1)
		go func() { ended <- g.Close() }()
		last.closed(c.code)
		go named.Read(named.ctx)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
