// SPDX-License-Identifier: Apache-2.0

package main

/*
#include "brokermesh.h"

typedef const char *bm_in_text;
typedef const void *bm_in_data;
*/
import "C"

import (
	"time"

	"github.com/brokermesh/brokermesh/bindings/python/capi/bridge"
)

//export bm_store
func bm_store(h C.bm_handle, master C.int, store C.bm_in_text, nn C.size_t, options C.bm_in_data, no C.size_t, out *C.bm_handle, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(text)
	if out == nil {
		return missing(text)
	}
	s, err := bridge.AttachStore(bridge.Handle(h), master != 0, string(viewText(store, nn)), view(options, no))
	return made(s, err, out, nil, text)
}

//export bm_store_read
func bm_store_read(h C.bm_handle, op C.bm_in_text, args C.bm_in_data, n C.size_t, timeout C.int64_t, out, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(out, text)
	v, err := bridge.Read(bridge.Handle(h), name(op), view(args, n), time.Duration(timeout))
	if err != nil {
		return fail(text, err)
	}
	put(out, v)
	return C.BM_OK
}

//export bm_store_write
func bm_store_write(h C.bm_handle, op C.bm_in_text, args C.bm_in_data, n C.size_t, timeout C.int64_t, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(text)
	return fail(text, bridge.Write(bridge.Handle(h), name(op), view(args, n), time.Duration(timeout)))
}
