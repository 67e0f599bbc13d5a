// SPDX-License-Identifier: Apache-2.0

// Package tap is what `brokerctl tap` does: it prints messages as they pass a
// node, or as a capture of tcpdump holds them, one line or one JSON object
// each.
//
// What is printed comes from others: control characters are shown as escapes,
// so that no message writes to the terminal otherwise than as text.
package tap
