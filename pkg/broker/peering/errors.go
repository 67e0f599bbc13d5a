// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// ErrorClass says in one word why a connection could not be made or ended. The empty class is no error.
type ErrorClass string

// The classes.
const (
	// Refused: nobody listens at the address, or the peer closed the connection before the peering stood.
	Refused ErrorClass = "Refused"
	// Unreachable: the name is not known or no route leads to the address.
	Unreachable ErrorClass = "Unreachable"
	// TLSFailed: the TLS handshake failed, a certificate is not the expected one, or only one end speaks TLS.
	TLSFailed ErrorClass = "TLSFailed"
	// Incompatible: the peer is no Broker, speaks other versions, or dropped the connection for another reason of the protocol.
	Incompatible ErrorClass = "Incompatible"
	// Timeout: connecting or the handshake took too long.
	Timeout ErrorClass = "Timeout"
	// Redundant: another connection to the same endpoint exists.
	Redundant ErrorClass = "Redundant"
	// Overflow: the peer did not take what was queued for it, and the queue's policy is to disconnect.
	Overflow ErrorClass = "Overflow"
	// Lost: an established connection ended without this side wanting it.
	Lost ErrorClass = "Lost"
)

// Error is why an attempt to peer failed or a link ended.
type Error struct {
	Class ErrorClass
	// Code is that of the drop_conn message that was sent or received, if any.
	Code code.Code
	// Remote tells that the peer refused.
	Remote bool
	// Peer is the endpoint at the other end, as far as it is known.
	Peer data.EndpointID
	Text string
	Err  error
}

// Error is the text for logs and people.
func (e *Error) Error() string {
	text := e.Text
	if e.Err != nil {
		text = fmt.Sprintf("%s: %v", text, e.Err)
	}
	if e.Remote {
		return "peer refused: " + text
	}
	return text
}

// Unwrap gives errors.Is a way to the cause.
func (e *Error) Unwrap() error { return e.Err }
