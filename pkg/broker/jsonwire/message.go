// SPDX-License-Identifier: Apache-2.0

package jsonwire

import (
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// AppendMessage appends a data message: the value's two members stand beside
// type and topic.
func AppendMessage(dst []byte, topic string, v data.Value) []byte {
	dst = append(dst, `{"type":"data-message","topic":`...)
	dst = append(appendString(dst, topic), ',')
	var w writer
	return append(w.members(dst, data.Canonical(v)), '}')
}

// ParseMessage reads a data message. As in the reference the member type is
// not looked at; a topic is required. The error is an [*Error].
func ParseMessage(b []byte) (topic string, v data.Value, err error) {
	p, err := newParser(b)
	if err != nil {
		return "", data.Value{}, err
	}
	if p.nodes[0].token != tokenObject {
		return "", data.Value{}, p.fail(ClassObject, 0, "want an object with topic, @data-type and data")
	}
	v, bad := p.value(0, 0)
	if bad != nil {
		return "", data.Value{}, bad
	}
	t := p.member(0, "topic")
	if t < 0 || !p.isString(t) {
		return "", data.Value{}, p.fail(ClassTopic, max(t, 0), "want a string in the member topic")
	}
	return p.text(t), v, nil
}

// AppendAck appends the server's answer to the subscriptions: the name of the
// endpoint and the version of what it runs.
func AppendAck(dst []byte, endpoint, version string) []byte {
	dst = appendString(append(dst, `{"type":"ack","endpoint":`...), endpoint)
	dst = appendString(append(dst, `,"version":`...), version)
	return append(dst, '}')
}

// AppendError appends the server's answer to a message that it can't use: the
// name of an error code, and a sentence.
func AppendError(dst []byte, code, context string) []byte {
	dst = appendString(append(dst, `{"type":"error","code":`...), code)
	dst = appendString(append(dst, `,"context":`...), context)
	return append(dst, '}')
}

// AppendSubscriptions appends a client's first message: the topic prefixes that
// it wants.
func AppendSubscriptions(dst []byte, prefixes []string) []byte {
	dst = append(dst, '[')
	for i, prefix := range prefixes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, prefix)
	}
	return append(dst, ']')
}

// ParseSubscriptions reads a client's first message, an array of strings. The
// error is an [*Error], and its message what Zeek's server answers.
func ParseSubscriptions(b []byte) ([]string, error) {
	p, err := newParser(b)
	if err != nil {
		return nil, err
	}
	if p.nodes[0].token != tokenArray {
		return nil, p.fail(ClassObject, 0, "subscriptions not an array")
	}
	prefixes := []string{}
	for i := 1; i < len(p.nodes); i = p.next(i) {
		if !p.isString(i) {
			bad := p.fail(ClassValue, i, "individual subscription not a string")
			return nil, bad.within(fmt.Sprintf("[%d]", len(prefixes)))
		}
		prefixes = append(prefixes, p.text(i))
	}
	return prefixes, nil
}
