// SPDX-License-Identifier: Apache-2.0

package main

/*
#include "brokermesh.h"

typedef const char *bm_in_text;
typedef const void *bm_in_data;
*/
import "C"

import (
	"github.com/brokermesh/brokermesh/bindings/python/capi/bridge"
)

//export bm_start
func bm_start(h C.bm_handle, op C.bm_in_text, args C.bm_in_data, n C.size_t, out *C.bm_handle, fd *C.int, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(text)
	if out == nil {
		return missing(text)
	}
	c, err := bridge.Start(bridge.Handle(h), name(op), view(args, n), fd != nil)
	return made(c, err, out, fd, text)
}

//export bm_result
func bm_result(h C.bm_handle, out, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(out, text)
	v, number, err := bridge.Outcome(bridge.Handle(h))
	if number != bridge.OK {
		return failWith(text, number, err)
	}
	put(out, v)
	return C.BM_OK
}

//export bm_cancel
func bm_cancel(h C.bm_handle) {
	var result C.int
	defer guard(&result, nil)
	bridge.Cancel(bridge.Handle(h))
}
