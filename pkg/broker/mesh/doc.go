// SPDX-License-Identifier: Apache-2.0

// Package mesh decides where messages go in a mesh of nodes, so that in any topology each message reaches each subscriber once and in
// order (routing specification, sections 2 and 3, has what a single node does). It is pure: no goroutine, no clock, no connection.
//
// # The parts
//
// A Database holds the newest advertisement of each node: its neighbours, what it wants, and its leaves. It says what to do with an
// advertisement that came in, and makes Views. A View is what the mesh looks like from one node at one moment. It is immutable; from
// the same advertisements each node makes the same graph.
//
// For each node E there is a tree of shortest paths with E as its root (among equal paths the parent with the smaller ID counts). A
// message that enters the mesh at E travels along that tree: a node takes it from its parent and passes it to the children behind
// which somebody wants it. Stream holds what a receiver remembers to drop what comes twice or too late.
//
// # Leaves
//
// Endpoints that are not nodes of the mesh are leaves. One that is attached to several nodes has one entry and exit, the node with
// the smallest ID: only that one lets its messages in, and only that one delivers to it.
//
// # What is promised
//
// For each origin and entering node no message comes twice and none is overtaken, whatever links do. While the links of a path stay up
// and no shorter path appears nothing is lost on it. What a change of path loses is not repeated. A tree whose root has gone is kept
// for a while, so that what is still under way arrives.
package mesh

import "github.com/brokermesh/brokermesh/pkg/broker/data"

// ID names a node or a leaf.
type ID = data.EndpointID
