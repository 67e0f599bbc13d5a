// SPDX-License-Identifier: Apache-2.0

// Package brokertest plays recorded conversations of the native protocol (wire specification, sections 5 to 9) against an endpoint
// under test, over a real socket.
//
// A Conversation is loaded from a folder with connN.{c2s,s2c}.bin. A Player is one of its two sides: it plays the handshake of that
// side, checks that of the endpoint under test against the recorded bytes of the other side, and exchanges frames with it from then
// on. The endpoint takes the ID of the side that it stands for (Conversation.ID), so that the recorded bytes fit as they are.
//
//	conv, err := brokertest.Load("testdata/pubsub.accepting-is-originator", 0)
//	// make an endpoint with the ID conv.ID(brokertest.Accepting), let it listen
//	p := brokertest.Dial(t, conv, address) // plays the connecting side
//	p.Handshake()
//	for _, env := range conv.Envelopes(brokertest.Connecting) {
//		p.Write(env)
//	}
//	p.Close()
package brokertest
