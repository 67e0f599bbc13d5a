// SPDX-License-Identifier: Apache-2.0

// Package bridge is what the C library of the Python bindings does (brokermesh.h, spec/python.md 3 to 6), without the C: endpoints,
// subscribers, publishers, stores and calls behind handles, arguments and answers in Broker's binary form, descriptors that tell when
// there is something to do. The package above it moves bytes between C's memory and Go's, and nothing else.
//
// No function keeps the bytes that it is given, and none waits for longer than its timeout. What takes time is a Call, with a goroutine
// of its own that its endpoint waits for.
package bridge
