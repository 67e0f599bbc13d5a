// SPDX-License-Identifier: Apache-2.0

// Package interop tests the endpoint against testdata/peer.py: an endpoint in Python that was written from the protocol's
// specification alone and tried against C++ Broker. It follows the wire specification's sections 5, 6, 9 and 13. The tests need
// Python 3.9 or newer.
//
// TLS is tested with peer.py, too, and through OpenSSL's s_client and s_server, which stand between our endpoint and one without TLS.
//
// The WebSocket gateway is tested with clients that nobody here wrote: Python's websockets and Chromium, which also run the programs of
// docs/websocket.md.
package interop
