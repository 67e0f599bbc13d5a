// SPDX-License-Identifier: Apache-2.0

// Package look is what brokerctl's peers, topics, top, ping and trace do: it
// asks every node of a mesh about itself (package inspect) and shows what they
// say, as tables or as JSON.
//
// Only nodes of brokermesh answer. What is shown of other endpoints is what
// the node next to them sees, and every command says so.
package look
