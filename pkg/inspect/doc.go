// SPDX-License-Identifier: Apache-2.0

// Package inspect lets people look into a mesh: every node answers questions
// about itself, and a client asks them, over as many hops as it takes. It is
// what brokerctl's commands are made of; design/architecture.md ("Mesh
// routing") says over which paths questions and answers travel.
//
// # On the wire
//
// Questions and answers are messages to one endpoint on the topic
// <$>/brokermesh/inspect, which belongs to the endpoints themselves. A
// question is the vector (ask, number, kind, arguments...), its answer
// (answer, number, document) with a document in JSON, or (refused, number,
// reason). Whoever does not know a kind refuses it; members of a document that
// a reader does not know are skipped. So versions differ without harm.
//
// # What an answer costs
//
// Questions come from others. A [Server] has one goroutine, answers no more
// questions in a second than it says, and drops what is more or malformed; both
// are counted. Lists in answers are capped, and say how many entries they have
// left out. Nothing that a question asks for outlives it by more than a lease
// of ten seconds.
package inspect
