// SPDX-License-Identifier: Apache-2.0

// Package load reads topology manifests from files and hands them on as typed objects that know their file and line.
//
// A manifest passes the same steps as in a cluster: YAML becomes JSON as kubectl makes it, unknown and repeated fields
// are found, defaults are filled in and the object is validated by the schema and the CEL rules of the definitions that
// package config/crd carries, with the API server's own code. So what `kubectl apply` refuses is refused here, with the
// same field and the same words, but all at once and with the place. Immutability needs an older object and is the API
// server's alone; what needs the whole topology is package topology's.
package load
