// SPDX-License-Identifier: Apache-2.0

// Package command is the codec of store commands: what travels in the payload of a type 2 envelope between masters and clones. It
// follows spec/stores.md 3 and spec/wire.md 8.
//
// A parsed Message shares memory with the bytes that it was read from. A payload may be longer than its command: the rest is ignored,
// as the reference does. Everything shorter is refused.
package command
