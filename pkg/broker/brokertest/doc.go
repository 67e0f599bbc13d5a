// SPDX-License-Identifier: Apache-2.0

// Package brokertest plays recorded conversations of the native protocol (wire specification, sections 5 to 9) against an endpoint
// under test, over a real socket.
//
// A Conversation is loaded from a folder with scenario.json and connN.{c2s,s2c}.bin. A Player is one of its two sides: it sends what
// that side sent and compares what the endpoint answers with what the other side answered. The endpoint takes the ID of the side that
// it stands for (Conversation.ID), so that the recorded bytes fit as they are; only the token of a closing handshake is replaced.
//
//	conv, err := brokertest.Load("testdata/pubsub.accepting-is-originator", 0)
//	// make an endpoint with the ID conv.ID(brokertest.Accepting), let it listen
//	p := brokertest.Dial(t, conv, address) // plays the connecting side
//	p.Handshake()
//	p.Send(32)                             // its next 32 frames
//	p.Expect(8)                            // the endpoint's next 8 frames must be the recorded ones
//	p.Close()
package brokertest
