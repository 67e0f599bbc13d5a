// SPDX-License-Identifier: Apache-2.0

package store

import (
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// Store events are vectors on the topic topic.StoreEvents(name): spec/stores.md 9.

func publisherFields(publisher data.EntityID) (endpoint, object data.Value) {
	if publisher.IsZero() {
		return data.None(), data.None()
	}
	return data.String(publisher.Endpoint.String()), data.Count(publisher.Object)
}

func insertEvent(store string, key, value data.Value, expiry command.Expiry, publisher data.EntityID) data.Value {
	endpoint, object := publisherFields(publisher)
	return data.Vector(data.String("insert"), data.String(store), key, value, expiry.Value(), endpoint, object)
}

func updateEvent(store string, key, before, after data.Value, expiry command.Expiry, publisher data.EntityID) data.Value {
	endpoint, object := publisherFields(publisher)
	return data.Vector(data.String("update"), data.String(store), key, before, after, expiry.Value(), endpoint, object)
}

func eraseEvent(store string, key data.Value, publisher data.EntityID) data.Value {
	endpoint, object := publisherFields(publisher)
	return data.Vector(data.String("erase"), data.String(store), key, endpoint, object)
}

func expireEvent(store string, key data.Value, publisher data.EntityID) data.Value {
	endpoint, object := publisherFields(publisher)
	return data.Vector(data.String("expire"), data.String(store), key, endpoint, object)
}
