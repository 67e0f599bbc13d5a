// SPDX-License-Identifier: Apache-2.0

package data

import "unsafe"

// viewString answers b's memory as a string, without a copy. It is the one
// place of this package that uses unsafe, for three uses, in each of which
// nobody changes b while the string lives:
//
//   - [View] and [DecodePrefix], whose callers promise it;
//   - values that were just built, whose buffer nobody else knows;
//   - comparing and checking bytes, where the string ends with the call.
func viewString(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
