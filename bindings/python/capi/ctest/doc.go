// SPDX-License-Identifier: Apache-2.0

// Package ctest tests libbrokermesh.so as programs use it: a program in C, in testdata, that opens the library and calls every function
// of brokermesh.h. It is in parts, each of which is a process of its own.
package ctest
