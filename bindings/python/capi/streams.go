// SPDX-License-Identifier: Apache-2.0

package main

/*
#include "brokermesh.h"

typedef const char *bm_in_text;
typedef const void *bm_in_data;
*/
import "C"

import (
	"math"

	"github.com/brokermesh/brokermesh/bindings/python/capi/bridge"
)

//export bm_subscribe
func bm_subscribe(h C.bm_handle, topics C.bm_in_data, n C.size_t, out *C.bm_handle, fd *C.int, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(text)
	if out == nil {
		return missing(text)
	}
	sub, err := bridge.Subscribe(bridge.Handle(h), view(topics, n))
	return made(sub, err, out, fd, text)
}

//export bm_status_subscribe
func bm_status_subscribe(h C.bm_handle, statuses C.int, out *C.bm_handle, fd *C.int, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(text)
	if out == nil {
		return missing(text)
	}
	sub, err := bridge.SubscribeStatus(bridge.Handle(h), statuses != 0)
	return made(sub, err, out, fd, text)
}

//export bm_sub_take
func bm_sub_take(h C.bm_handle, most C.unsigned, maxBytes C.size_t, frames *C.bm_bytes, count *C.unsigned, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(frames, text)
	if frames == nil || count == nil {
		return missing(text)
	}
	*count = 0
	b, err := bridge.Take(bridge.Handle(h), int(most), int(min(maxBytes, math.MaxInt)))
	if err != nil {
		return fail(text, err)
	}
	defer b.Release()
	if b.Count() > 0 {
		b.Append(allocate(frames, b.Size())[:0])
		*count = C.unsigned(b.Count())
	}
	return C.BM_OK
}

//export bm_sub_available
func bm_sub_available(h C.bm_handle, n *C.unsigned) (result C.int) {
	defer guard(&result, nil)
	if n == nil {
		return missing(nil)
	}
	waiting, err := bridge.Available(bridge.Handle(h))
	*n = C.unsigned(waiting)
	return fail(nil, err)
}

//export bm_sub_change
func bm_sub_change(h C.bm_handle, add C.bm_in_data, na C.size_t, remove C.bm_in_data, nr C.size_t, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(text)
	return fail(text, bridge.ChangeTopics(bridge.Handle(h), view(add, na), view(remove, nr)))
}

//export bm_publisher
func bm_publisher(h C.bm_handle, topic C.bm_in_text, n C.size_t, out *C.bm_handle, fd *C.int, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(text)
	if out == nil {
		return missing(text)
	}
	p, err := bridge.NewPublisher(bridge.Handle(h), viewText(topic, n))
	return made(p, err, out, fd, text)
}

//export bm_publisher_send
func bm_publisher_send(h C.bm_handle, frames C.bm_in_data, n C.size_t, done *C.size_t, text *C.bm_bytes) (result C.int) {
	defer guard(&result, text)
	begin(text)
	taken, err := bridge.Send(bridge.Handle(h), view(frames, n))
	if done != nil {
		*done = C.size_t(taken)
	}
	return fail(text, err)
}

//export bm_publisher_state
func bm_publisher_state(h C.bm_handle, buffered, capacity *C.unsigned) (result C.int) {
	defer guard(&result, nil)
	n, most, err := bridge.Buffered(bridge.Handle(h))
	if err != nil {
		return fail(nil, err)
	}
	if buffered != nil {
		*buffered = C.unsigned(n)
	}
	if capacity != nil {
		*capacity = C.unsigned(most)
	}
	return C.BM_OK
}
