// SPDX-License-Identifier: Apache-2.0

// Package command is the codec of store commands: what travels in the payload of a type 2 envelope between masters and clones. It
// follows spec/stores.md 3 and spec/wire.md 8.
//
// A parsed Message shares memory with the bytes that it was read from. A payload may be longer than its command: the rest is ignored,
// as the reference does. Everything shorter is refused.
//
// Commands from 64 on, and the Trailer behind some of the others, are extensions, which only frontends of this project know: 64 and 65
// questions and answers, 80 to 89 the channels between masters and clones, 90 to 92 the handover of a store. Each type says what its
// fields are on the wire.
package command
