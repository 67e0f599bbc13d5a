// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"reflect"
	"strconv"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// written remembers what the API server answered to our writes until the caches have caught up, so that nobody decides on an object
// that is older than our own last change. The mutex owns the map.
type written struct {
	mu struct {
		sync.Mutex
		objects map[writtenKey]client.Object
	}
}

type writtenKey struct {
	kind reflect.Type
	name types.NamespacedName
}

func keyOf(o client.Object) writtenKey {
	return writtenKey{reflect.TypeOf(o), client.ObjectKeyFromObject(o)}
}

// record keeps an answer. The object must not be changed afterwards.
func (w *written) record(o client.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.objects == nil {
		w.mu.objects = make(map[writtenKey]client.Object)
	}
	w.mu.objects[keyOf(o)] = o
}

// forget drops what is known of an object, after it was deleted or read without a cache.
func (w *written) forget(o client.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.mu.objects, keyOf(o))
}

// newest gives the newer of a cached object and our last write of it; the caller must not change it.
func (w *written) newest(cached client.Object) client.Object {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := keyOf(cached)
	ours, ok := w.mu.objects[key]
	if !ok {
		return cached
	}
	if ours.GetUID() != cached.GetUID() || !newer(ours, cached) {
		delete(w.mu.objects, key)
		return cached
	}
	return ours
}

// newer compares resource versions, which are numbers that rise.
func newer(a, b client.Object) bool {
	x, errA := strconv.ParseUint(a.GetResourceVersion(), 10, 64)
	y, errB := strconv.ParseUint(b.GetResourceVersion(), 10, 64)
	return errA == nil && errB == nil && x > y
}
