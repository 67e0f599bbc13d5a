// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// webSocket is what a node is told of its WebSocket clients; nil if it has no port for them.
func webSocket(n *v1alpha1.BrokerNode) *nodeconfig.WebSocket {
	s := n.Spec.WebSocket
	if s == nil {
		return nil
	}
	w := &nodeconfig.WebSocket{
		Dialect: string(s.Dialect), AllowedOrigins: slices.Clone(s.AllowedOrigins), ClientCertificates: string(s.ClientCertificates),
	}
	for _, c := range s.Clients {
		w.Clients = append(w.Clients, nodeconfig.Client{
			Name: c.Name, TokenSHA256: c.TokenSHA256, Certificate: c.Certificate, Rights: rights(c.TopicRights),
		})
	}
	if s.Others != nil {
		others := rights(*s.Others)
		w.Others = &others
	}
	if l := s.Limits; l != nil {
		w.Limits = &nodeconfig.Limits{
			MessageBytes: bytesOf(l.MessageSize), Subscriptions: int(l.Subscriptions), Connections: int(l.Connections),
			ConnectionsPerAddress: int(l.ConnectionsPerAddress), MessagesPerSecond: int(l.MessagesPerSecond), BytesPerSecond: bytesOf(l.BytesPerSecond),
			QueueMessages: int(l.QueueMessages), Overflow: string(l.Overflow),
		}
	}
	return w
}

func rights(r v1alpha1.TopicRights) nodeconfig.Rights {
	return nodeconfig.Rights{Publish: slices.Clone(r.Publish), Subscribe: slices.Clone(r.Subscribe)}
}

func bytesOf(q *resource.Quantity) int64 {
	if q == nil {
		return 0
	}
	return q.Value()
}
