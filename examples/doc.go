// SPDX-License-Identifier: Apache-2.0

// Package examples holds small complete programs, one in each folder. All of
// them run in tests, and docs/endpoint.md quotes them; what a program prints is
// in its output.txt.
//
//	values        Go values and structs as values, texts and bytes
//	pubsub        a subscriber and a publisher
//	zeek-events   ping and pong with a Zeek script
//	store         a master and a clone
//	mesh          three endpoints in a line, then in a ring
//	tls           certificates, and TLS that authenticates nobody
//	status        what happens to a peering
//	flowcontrol   publishers that wait, fail or drop
//	credit        a subscriber that publishers elsewhere in the mesh wait for
//	websocket     a client of the WebSocket gateway
package examples
