// SPDX-License-Identifier: Apache-2.0

// Package code holds the numbers by which Broker's endpoints tell each other
// what went wrong ([Code]) and what happened to a peering ([Status]). Numbers
// and names are those of spec/data.md 9 and spec/routing.md.
package code
