// SPDX-License-Identifier: Apache-2.0

// Command capi is libbrokermesh.so, the C library below the Python bindings (go build -buildmode=c-shared). It is the only place of this
// module with cgo. Its functions are those of brokermesh.h, which has their contract and is included here, so that the C compiler
// compares the two; they turn C's memory into Go's and back, and leave the rest to package bridge.
package main

/*
#include <stdlib.h>
#include "brokermesh.h"

// The types of parameters, with a const that Go can't write.
typedef const char *bm_in_text;
typedef const void *bm_in_data;
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"
	"unsafe"

	"github.com/brokermesh/brokermesh/bindings/python/capi/bridge"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func main() {}

// view is C's memory as a slice, which is valid during the call only.
func view(p C.bm_in_data, n C.size_t) []byte {
	if p == nil || n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(p), n)
}

func viewText(p C.bm_in_text, n C.size_t) []byte { return view(C.bm_in_data(unsafe.Pointer(p)), n) }

// allocate is memory of C that the caller of the library frees.
func allocate(out *C.bm_bytes, n int) []byte {
	p := C.malloc(C.size_t(max(n, 1)))
	out.data, out.len = (*C.uchar)(p), C.size_t(n)
	return unsafe.Slice((*byte)(p), n)
}

// put hands a value out.
func put(out *C.bm_bytes, v data.Value) {
	if out != nil {
		v.AppendBinary(allocate(out, v.BinarySize())[:0])
	}
}

// begin is the start of every function: nothing has been handed out yet.
func begin(outs ...*C.bm_bytes) {
	for _, out := range outs {
		if out != nil {
			*out = C.bm_bytes{}
		}
	}
}

// fail hands an error out and answers its number.
func fail(text *C.bm_bytes, err error) C.int {
	if err == nil {
		return C.BM_OK
	}
	return failWith(text, bridge.Result(err), err)
}

func failWith(text *C.bm_bytes, result int, err error) C.int {
	if s := bridge.Text(err); text != nil && s != "" {
		copy(allocate(text, len(s)), s)
	}
	return C.int(result)
}

// guard ends a panic: it must not reach C.
func guard(result *C.int, text *C.bm_bytes) {
	if r := recover(); r != nil {
		*result = fail(text, fmt.Errorf("internal error: %v\n%s", r, debug.Stack()))
	}
}

var errNoPlace = errors.New("an output parameter is NULL")

// missing is the answer to a NULL where something has to be put.
func missing(text *C.bm_bytes) C.int { return failWith(text, bridge.BadArg, errNoPlace) }

// made hands out the handle of a new object and, if that is wanted, its descriptor.
func made(h bridge.Handle, err error, out *C.bm_handle, fd *C.int, text *C.bm_bytes) C.int {
	if err == nil && fd != nil {
		var n int
		if n, err = bridge.Descriptor(h); err != nil {
			bridge.Close(h)
		}
		*fd = C.int(n)
	}
	if err != nil {
		return fail(text, err)
	}
	*out = C.bm_handle(h)
	return C.BM_OK
}

//export bm_abi
func bm_abi() C.int { return C.BM_ABI }

//export bm_free
func bm_free(p unsafe.Pointer) { C.free(p) }

//export bm_close
func bm_close(h C.bm_handle) {
	var result C.int
	defer guard(&result, nil)
	bridge.Close(bridge.Handle(h))
}

//export bm_fd
func bm_fd(h C.bm_handle, fd *C.int) (result C.int) {
	defer guard(&result, nil)
	if fd == nil {
		return missing(nil)
	}
	n, err := bridge.Descriptor(bridge.Handle(h))
	if err != nil {
		return fail(nil, err)
	}
	*fd = C.int(n)
	return C.BM_OK
}

//export bm_endpoint_new
func bm_endpoint_new(options C.bm_in_data, n C.size_t, out *C.bm_handle, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(text)
	if out == nil {
		return missing(text)
	}
	h, err := bridge.NewEndpoint(view(options, n))
	return made(h, err, out, nil, text)
}

//export bm_endpoint_id
func bm_endpoint_id(h C.bm_handle, out *C.char) (result C.int) {
	defer guard(&result, nil)
	if out == nil {
		return missing(nil)
	}
	id, err := bridge.EndpointID(bridge.Handle(h))
	if err == nil {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(out)), idLength), id)
	}
	return fail(nil, err)
}

// idLength is the length of a UUID as text.
const idLength = 36

//export bm_listen
func bm_listen(h C.bm_handle, address C.bm_in_text, n C.size_t, port C.int, bound *C.int, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(text)
	got, err := bridge.Listen(bridge.Handle(h), string(viewText(address, n)), int(port))
	if err == nil && bound != nil {
		*bound = C.int(got)
	}
	return fail(text, err)
}

//export bm_publish
func bm_publish(h C.bm_handle, topic C.bm_in_text, nt C.size_t, value C.bm_in_data, nv C.size_t, timeout C.int64_t, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(text)
	return fail(text, bridge.Publish(bridge.Handle(h), viewText(topic, nt), view(value, nv), time.Duration(timeout)))
}

//export bm_publish_batch
func bm_publish_batch(h C.bm_handle, frames C.bm_in_data, n C.size_t, timeout C.int64_t, done *C.size_t, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(text)
	published, err := bridge.PublishBatch(bridge.Handle(h), view(frames, n), time.Duration(timeout))
	if done != nil {
		*done = C.size_t(published)
	}
	return fail(text, err)
}

//export bm_publish_to
func bm_publish_to(h C.bm_handle, id C.bm_in_text, topic C.bm_in_text, nt C.size_t, value C.bm_in_data, nv C.size_t, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(text)
	return fail(text, bridge.PublishTo(bridge.Handle(h), string(viewText(id, idLength)), viewText(topic, nt), view(value, nv)))
}

//export bm_query
func bm_query(h C.bm_handle, op C.bm_in_text, args C.bm_in_data, n C.size_t, out, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(out, text)
	v, err := bridge.Query(bridge.Handle(h), name(op), view(args, n))
	if err != nil {
		return fail(text, err)
	}
	put(out, v)
	return C.BM_OK
}

// name is the name of an operation.
func name(op C.bm_in_text) string {
	if op == nil {
		return ""
	}
	return C.GoString((*C.char)(unsafe.Pointer(op)))
}
