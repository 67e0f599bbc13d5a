// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
)

// scenario is a conversation of two endpoints; play says what happens once they are peered.
type scenario struct {
	name, note            string
	connecting, accepting broker.Options
	want                  [2][]string // what the connecting and the accepting endpoint subscribe to before
	play                  func(*cast) error
}

// The kinds of endpoints.
var (
	node    = broker.Options{}
	client  = broker.Options{Forward: broker.ForwardNone}
	foreign = broker.Options{Forward: broker.ForwardNone, PlainProtocol: true}
)

func kindName(o broker.Options) string {
	switch {
	case o.PlainProtocol:
		return "foreign"
	case o.Forward == broker.ForwardNone:
		return "client"
	default:
		return "node"
	}
}

var both = [2][]string{{"/test"}, {"/test"}}

var scenarios = []scenario{
	{"node-node", "a node dials a node; messages of all types both ways, a large one; the connecting side unpeers", node, node, both, (*cast).messages},
	{"client-node", "the same with a client that dials a node", client, node, both, (*cast).messages},
	{"node-client", "the same with a node that dials a client", node, client, both, (*cast).messages},
	{"foreign-node", "the same with an endpoint that keeps to what C++ Broker knows and dials a node", foreign, node, both, (*cast).messages},
	{"node-foreign", "the same with a node that dials such an endpoint", node, foreign, both, (*cast).messages},
	{"filters", "subscriptions of two nodes that come, change and go; the accepting side unpeers", node, node, [2][]string{{"/a"}, {"/b", "/c"}}, (*cast).filters},
	{"direct", "point-to-point messages both ways between a client and a node, wanted and unwanted; the client closes", client, node, both, (*cast).direct},
	{"store", "a master on the accepting node, a clone on the connecting one: changes on both sides, put_unique, clear; the clone's side closes", node, node,
		[2][]string{}, (*cast).store},
	{"relayed", "two nodes, a client behind the connecting one, a node with a foreign endpoint behind the accepting one: messages that come from further away, " +
		"to everybody and to one; the connecting side unpeers", node, node, both, (*cast).relayed},
}

// cast are the two endpoints of a conversation, with a proxy between them.
type cast struct {
	connecting, accepting *broker.Endpoint
	subs                  [2]*broker.Subscriber // nil without prefixes
	further               []*broker.Endpoint
	proxy                 *proxy
	ctx                   context.Context
}

func newCast(s scenario, connectingFirst bool) (*cast, error) {
	ids := [2]string{"11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"}
	if !connectingFirst {
		slices.Reverse(ids[:])
	}
	c := &cast{}
	for i, o := range []*broker.Options{&s.connecting, &s.accepting} {
		var err error
		if o.ID, err = data.ParseEndpointID(ids[i]); err != nil {
			return nil, err
		}
		e, err := broker.New(*o)
		if err != nil {
			return nil, err
		}
		if len(s.want[i]) > 0 {
			if c.subs[i], err = e.Subscribe(s.want[i], broker.QueueLimit{}); err != nil {
				return nil, err
			}
		}
		*[]**broker.Endpoint{&c.connecting, &c.accepting}[i] = e
	}
	addr, err := c.accepting.Listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c.proxy, err = newProxy(addr.String())
	return c, err
}

// play peers the two, goes through the scenario, and closes everything.
func (c *cast) play(s scenario) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c.ctx = ctx
	_, err := c.connecting.Peer(ctx, c.proxy.l.Addr().String(), broker.PeerOptions{})
	if err == nil {
		err = c.accepting.AwaitPeer(ctx, c.connecting.ID())
	}
	if err == nil {
		err = s.play(c)
	}
	err = errors.Join(err, c.connecting.Close(ctx), c.accepting.Close(ctx))
	c.proxy.close()
	return err
}

// values are one of every type.
func values() []data.Value {
	text := []data.Value{data.None(), data.Boolean(true), data.Count(1 << 40), data.Integer(-7), data.Real(3.5), data.String("h\u00e9\x00llo"),
		data.TimestampNanos(1700000000123456789), data.Timespan(-7000), data.Enum("Notice::LOG")}
	return append(text, data.Vector(text...), data.Set(data.Count(3), data.Count(1)),
		data.Table(data.Entry{Key: data.String("k"), Value: data.Vector(data.None())}), data.String(strings.Repeat("large ", 1000)))
}

func (c *cast) messages() error {
	for i, v := range values() {
		name := fmt.Sprintf("/test/%d", i)
		if err := errors.Join(c.connecting.Publish(name, v), c.take(1, name), c.accepting.Publish(name, v), c.take(0, name)); err != nil {
			return err
		}
	}
	return c.connecting.UnpeerID(c.ctx, c.accepting.ID())
}

// take waits for the next message of the connecting (0) or accepting (1) side.
func (c *cast) take(side int, name string) error {
	m, err := c.subs[side].Get(c.ctx)
	if err == nil && m.Topic != name {
		err = fmt.Errorf("got %s, want %s", m.Topic, name)
	}
	return err
}

// asked waits until an endpoint's only peer asks for these prefixes.
func (c *cast) asked(e *broker.Endpoint, want ...string) error {
	for c.ctx.Err() == nil {
		if ps := e.Peers(); len(ps) == 1 && slices.Equal(ps[0].Filter, want) {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("filter %q: %w", want, c.ctx.Err())
}

func (c *cast) filters() error {
	c.subs[0].SetPrefixes([]string{"/a", "/c"})
	err := c.asked(c.accepting, "/a", "/c")
	c.subs[1].SetPrefixes([]string{"/b"})
	err = errors.Join(err, c.asked(c.connecting, "/b"), c.connecting.Publish("/b/1", data.Count(1)), c.take(1, "/b/1"))
	c.connecting.SetWants([]string{"/w", "/a/covered"})
	err = errors.Join(err, c.asked(c.accepting, "/a", "/c", "/w"), c.accepting.Publish("/c/2", data.Count(2)), c.take(0, "/c/2"))
	c.subs[1].SetPrefixes([]string{""})
	err = errors.Join(err, c.asked(c.connecting, ""))
	c.subs[0].SetPrefixes([]string{"/z"})
	return errors.Join(err, c.asked(c.accepting, "/a/covered", "/w", "/z"), c.accepting.UnpeerID(c.ctx, c.connecting.ID()))
}

func (c *cast) direct() error {
	here, there := c.connecting.ID(), c.accepting.ID()
	return errors.Join(
		c.connecting.PublishTo(there, "/test/1", data.Count(1)), c.take(1, "/test/1"),
		c.accepting.PublishTo(here, "/test/2", data.Count(2)), c.take(0, "/test/2"),
		c.connecting.PublishTo(there, "/unwanted", data.Count(3)), c.accepting.PublishTo(here, "/unwanted", data.Count(4)),
		c.connecting.PublishTo(there, "/test/5", data.Count(5)), c.take(1, "/test/5"),
		c.accepting.PublishTo(here, "/test/6", data.Count(6)), c.take(0, "/test/6"))
}

// attach peers a further endpoint with one of the two, and subscribes it.
func (c *cast) attach(o broker.Options, to *broker.Endpoint) (*broker.Endpoint, *broker.Subscriber, error) {
	e, err := broker.New(o)
	if err != nil {
		return nil, nil, err
	}
	c.further = append(c.further, e)
	sub, err := e.Subscribe([]string{"/test"}, broker.QueueLimit{})
	if err != nil {
		return nil, nil, err
	}
	addr, err := to.Listen("127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	_, err = e.Peer(c.ctx, addr.String(), broker.PeerOptions{})
	return e, sub, errors.Join(err, to.AwaitPeer(c.ctx, e.ID()))
}

func (c *cast) relayed() error {
	one, oneSub, err := c.attach(client, c.connecting)
	if err != nil {
		return err
	}
	far, farSub, err := c.attach(node, c.accepting)
	if err != nil {
		return err
	}
	old, oldSub, err := c.attach(foreign, far)
	if err != nil {
		return err
	}
	// Each of the three knows of the others when a message of each has come to both.
	all := []*broker.Endpoint{one, far, old}
	for from, e := range all {
		for to, sub := range []*broker.Subscriber{oneSub, farSub, oldSub} {
			if from != to {
				err = errors.Join(err, c.until(e, "/test/hello", sub))
			}
		}
	}
	err = errors.Join(err, one.Publish("/test/1", data.Count(1)), far.Publish("/test/2", data.Count(2)), old.Publish("/test/3", data.Count(3)),
		far.PublishTo(one.ID(), "/test/4", data.Count(4)), one.PublishTo(old.ID(), "/test/5", data.Count(5)),
		c.seen(oneSub, "/test/2", "/test/3", "/test/4"), c.seen(oldSub, "/test/1", "/test/2", "/test/5"))
	for _, e := range all {
		err = errors.Join(err, e.Close(c.ctx))
	}
	return errors.Join(err, c.connecting.UnpeerID(c.ctx, c.accepting.ID()))
}

// until publishes until a message has come to a subscriber.
func (c *cast) until(e *broker.Endpoint, name string, sub *broker.Subscriber) error {
	for c.ctx.Err() == nil {
		if err := e.Publish(name, data.String(e.ID().String())); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
		for m, ok := sub.Poll(); ok; m, ok = sub.Poll() {
			if text, _ := m.Value.AsString(); text == e.ID().String() {
				return nil
			}
		}
	}
	return c.ctx.Err()
}

// seen waits for messages in any order among others.
func (c *cast) seen(sub *broker.Subscriber, names ...string) error {
	for len(names) > 0 {
		m, err := sub.Get(c.ctx)
		if err != nil {
			return fmt.Errorf("waiting for %q: %w", names, err)
		}
		names = slices.DeleteFunc(names, func(n string) bool { return n == m.Topic })
	}
	return nil
}

func (c *cast) store() error {
	m, err := store.NewMaster(c.accepting, "s", memory.New(), store.MasterOptions{})
	if err != nil {
		return err
	}
	key := data.String
	err = m.Put(c.ctx, key("before"), data.Count(1), 0)
	clone, cerr := store.NewClone(c.connecting, "s", store.CloneOptions{})
	if cerr != nil {
		return cerr
	}
	err = errors.Join(err, clone.AwaitIdle(c.ctx),
		m.Put(c.ctx, key("put"), data.Vector(data.Count(1), key("two")), 0), m.Increment(c.ctx, key("n"), data.Count(5), 0),
		m.Erase(c.ctx, key("before")), m.AwaitIdle(c.ctx),
		clone.Put(c.ctx, key("theirs"), data.None(), 0), clone.Push(c.ctx, key("list"), data.Count(1), 0), clone.AwaitIdle(c.ctx))
	for _, want := range []bool{true, false} {
		won, perr := clone.PutUnique(c.ctx, key("unique"), data.Boolean(want), 0)
		if err = errors.Join(err, perr); won != want {
			err = errors.Join(err, fmt.Errorf("put_unique: %v", won))
		}
	}
	err = errors.Join(err, clone.Clear(c.ctx), clone.AwaitIdle(c.ctx), m.AwaitIdle(c.ctx))
	clone.Close()
	err = errors.Join(err, c.connecting.Close(c.ctx))
	for len(c.accepting.Peers()) > 0 && c.ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	m.Close()
	return err
}
