// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"errors"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// subscriber is a stream of what was subscribed to.
type subscriber struct {
	*stream
	sub *broker.Subscriber
}

// Subscribe subscribes to the topics of a vector.
func Subscribe(h Handle, topics []byte) (Handle, error) {
	e, err := find[*endpoint](h)
	if err != nil {
		return 0, err
	}
	prefixes, err := parseStrings("topics", topics)
	if err != nil {
		return 0, err
	}
	sub, err := e.subscribe(prefixes)
	if err != nil {
		return 0, err
	}
	s, err := newStream(subscribed{sub})
	if err != nil {
		sub.Close()
		return 0, err
	}
	sub.Notify(s.news)
	return objects.add(&subscriber{s, sub}), nil
}

// subscribe asks for flow control, but for subscriptions that can't have it.
func (e *endpoint) subscribe(prefixes []string) (*broker.Subscriber, error) {
	sub, err := e.Endpoint.Subscribe(prefixes, broker.QueueLimit{FlowControl: e.flowControl})
	if errors.Is(err, broker.ErrPrefixes) {
		sub, err = e.Endpoint.Subscribe(prefixes, broker.QueueLimit{})
	}
	return sub, err
}

// subscribed is a subscriber as a source.
type subscribed struct{ *broker.Subscriber }

func (s subscribed) poll(dst []broker.Message) (int, error) { return s.PollBatch(dst) }
func (s subscribed) waiting() (int, bool)                   { return s.Available(), s.Ended() }
func (s subscribed) end()                                   { s.Notify(nil); s.Close() }

// ChangeTopics adds topics to a subscriber's and takes others away. Both are vectors.
func ChangeTopics(h Handle, add, remove []byte) error {
	s, err := find[*subscriber](h)
	if err != nil {
		return err
	}
	more, err := parseStrings("add", add)
	if err != nil {
		return err
	}
	less, err := parseStrings("remove", remove)
	if err != nil {
		return err
	}
	if len(more) > 0 {
		if err := s.sub.AddPrefixes(more...); err != nil {
			return err
		}
	}
	if len(less) > 0 {
		s.sub.RemovePrefixes(less...)
	}
	return nil
}

// query answers questions about the subscriber.
func (s *subscriber) query(op string, a *arguments) (data.Value, error) {
	if err := a.end(); err != nil {
		return data.Value{}, err
	}
	switch op {
	case "topics":
		return stringsValue(s.sub.Prefixes()), nil
	case "dropped":
		return data.Count(s.sub.Dropped()), nil
	}
	return data.Value{}, unknownOperation(op)
}

func stringsValue(all []string) data.Value {
	var b data.Builder
	for _, s := range all {
		b.String(s)
	}
	return b.Vector()
}
