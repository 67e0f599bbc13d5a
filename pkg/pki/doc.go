// SPDX-License-Identifier: Apache-2.0

// Package pki makes the certificates of a mesh: an authority per mesh and leaves for its nodes, its manager and people's tools. It
// follows the section Trust of the architecture.
//
// All keys are ECDSA on P-256. Names are URIs: a verifier looks at the chain and at the URI, never at host names. The package does
// no I/O and reads no clock; time and randomness come from the caller.
package pki
