// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"net"
	"strconv"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// announce tells the endpoint's own subscribers of the client, in the words of C++ Broker.
func (s *session) announce() {
	s.tell(code.EndpointDiscovered, "found a new client in the network")
	s.tell(code.PeerAdded, "handshake successful")
}

// bury tells them of its end.
func (s *session) bury() {
	if context.Cause(s.ctx) == errOverflow {
		s.tell(code.PeerRemoved, "client removed: caf::sec::backpressure_overflow")
	} else {
		s.tell(code.PeerLost, "lost connection to client")
	}
	s.tell(code.EndpointUnreachable, "lost the last path")
}

// tell publishes a status event of the client on the endpoint.
func (s *session) tell(what code.Status, words string) {
	info := [4]data.Value{data.String(s.id.String())}
	if host, port, err := net.SplitHostPort(s.request.RemoteAddr); err == nil {
		n, _ := strconv.ParseUint(port, 10, 16)
		info[1], info[2], info[3] = data.String(host), data.Port(uint16(n), data.ProtocolTCP), data.Count(0)
	}
	event := data.Vector(data.String("status"), data.Enum(what.String()), data.Vector(info[:]...), data.String(words))
	s.g.e.PublishLocal(topic.Statuses, event)
}
