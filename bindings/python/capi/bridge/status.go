// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"net"
	"strconv"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// SubscribeStatus subscribes to errors and, if statuses is set, to statuses.
func SubscribeStatus(h Handle, statuses bool) (Handle, error) {
	e, err := find[*endpoint](h)
	if err != nil {
		return 0, err
	}
	sub, err := e.Endpoint.SubscribeStatus(!statuses)
	if err != nil {
		return 0, err
	}
	s, err := newStream(events{sub})
	if err != nil {
		sub.Close()
		return 0, err
	}
	sub.Notify(s.news)
	return objects.add(s), nil
}

// events is a subscriber of statuses as a source.
type events struct{ *broker.StatusSubscriber }

func (s events) waiting() (int, bool) { return s.Available(), s.Ended() }
func (s events) end()                 { s.Notify(nil); s.Close() }

func (s events) poll(dst []broker.Message) (int, error) {
	ended := s.Ended()
	for i := range dst {
		ev, ok := s.Poll()
		if !ok {
			if i == 0 && ended {
				return 0, broker.ErrClosed
			}
			return i, nil
		}
		dst[i] = broker.Message{Value: eventValue(&ev)}
	}
	return len(dst), nil
}

// eventValue is an event as brokermesh.h describes it.
func eventValue(ev *broker.StatusEvent) data.Value {
	kind, number := "status", uint64(0)
	if ev.Error {
		kind, number = "error", uint64(code.Unspecified)
		if c, ok := code.FromName(ev.Code); ok {
			number = uint64(c)
		}
	} else if s, ok := code.StatusFromName(ev.Code); ok {
		number = uint64(s)
	}
	return data.Vector(data.String(kind), data.Count(number), eventContext(ev), data.String(ev.Message), data.String(eventText(ev)))
}

func eventContext(ev *broker.StatusEvent) data.Value {
	if ev.ID.IsZero() && ev.Address == "" {
		return data.None()
	}
	host, port := addressValues(ev.Address)
	return data.Vector(formatID(ev.ID), host, port)
}

// addressValues are the parts of HOST:PORT, none if it isn't that.
func addressValues(address string) (host, port data.Value) {
	h, p, err := net.SplitHostPort(address)
	if err != nil {
		return data.None(), data.None()
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return data.None(), data.None()
	}
	return data.String(h), data.Count(n)
}

// eventText is what the reference prints: errors have the whole context in a form of its own.
func eventText(ev *broker.StatusEvent) string {
	if !ev.Error {
		return ev.String()
	}
	if ev.ID.IsZero() && ev.Address == "" {
		return fmt.Sprintf("%s(%q)", ev.Code, ev.Message)
	}
	network := "none"
	if ev.Address != "" {
		network = "*" + ev.Address
	}
	return fmt.Sprintf("%s(endpoint_info(%s, %s), %q)", ev.Code, ev.ID, network, ev.Message)
}
