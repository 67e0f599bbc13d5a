// SPDX-License-Identifier: Apache-2.0

// Package arch checks which package may import which, so that each piece of code has one place where it belongs. It consists of
// tests only.
package arch
