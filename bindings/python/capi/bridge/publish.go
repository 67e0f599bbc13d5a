// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// A publisher that finds a queue full looks again after these pauses: a queue that drains empties a small part of itself meanwhile.
const (
	firstPause = 50 * time.Microsecond
	lastPause  = 2 * time.Millisecond
)

// Publish publishes a value in binary form. errAgain: there was no room all the time, and nobody got it.
func Publish(h Handle, name, value []byte, timeout time.Duration) error {
	e, err := find[*endpoint](h)
	if err != nil {
		return err
	}
	return e.send(name, value, timeout)
}

func (e *endpoint) send(name, value []byte, timeout time.Duration) error {
	s := e.sender(name)
	err := s.PublishBytes(context.Background(), value)
	if err == nil || timeout <= 0 || !errors.Is(err, broker.ErrFull) {
		return err
	}
	return e.insist(s, value, timeout)
}

// insist tries until there is room.
func (e *endpoint) insist(s *sender, value []byte, timeout time.Duration) error {
	end := time.Now().Add(timeout)
	t := time.NewTimer(min(firstPause, timeout))
	defer t.Stop()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		select {
		case <-t.C:
		case <-e.ctx.Done():
			return errClosed
		}
		err := s.PublishBytes(context.Background(), value)
		left := time.Until(end)
		if !errors.Is(err, broker.ErrFull) || left <= 0 {
			return err
		}
		t.Reset(min(pause, left))
	}
}

// PublishBatch publishes frames, after it has checked all of them. It answers how many bytes of the row were published.
func PublishBatch(h Handle, row []byte, timeout time.Duration) (done int, err error) {
	e, err := find[*endpoint](h)
	if err != nil {
		return 0, err
	}
	if err := checkFrames(row, checkTopic); err != nil {
		return 0, err
	}
	end := time.Now().Add(timeout)
	left := timeout
	for done < len(row) {
		f, err := nextFrame(row[done:])
		if err == nil {
			err = e.send(f.topic, f.value, left)
			if left < timeout || errors.Is(err, broker.ErrFull) {
				left = time.Until(end)
			}
		}
		if err != nil {
			return done, err
		}
		done += f.size()
	}
	return done, nil
}

func checkTopic(f frame) error {
	switch {
	case len(f.topic) == 0:
		return wrong("topic: it is empty")
	case topic.IsReserved(string(f.topic)):
		return wrong("topic: %q is reserved", f.topic)
	case len(f.topic) > maxTopic:
		return wrong("topic: %d bytes, at most %d are allowed", len(f.topic), maxTopic)
	}
	return nil
}

// maxTopic is the longest topic that goes over the wire.
const maxTopic = 1<<16 - 1

// PublishTo sends a value to one endpoint.
func PublishTo(h Handle, id string, name, value []byte) error {
	e, err := find[*endpoint](h)
	if err != nil {
		return err
	}
	to, err := data.ParseEndpointID(id)
	if err != nil {
		return wrong("receiver: %v", err)
	}
	v, err := data.Decode(value)
	if err != nil {
		return wrong("value: %v", err)
	}
	return e.PublishTo(to, string(name), v)
}
