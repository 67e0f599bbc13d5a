// SPDX-License-Identifier: Apache-2.0

// Package storetool is what brokerctl's store commands do: they read and write
// a store of a mesh, or a database file while no node has it open; copy stores
// to files of JSON lines and back; and compare clones with their master.
//
// A store of the mesh is asked over [store.Remote], by whatever node the
// command is connected to. Masters of C++ Broker answer no questions: then the
// command attaches a clone, which copies everything first, and says so.
package storetool
