// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"reflect"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func TestConsumers(t *testing.T) {
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(t.Context())
	sub, err := e.Subscribe([]string{"/b", "/a", "/a"}, QueueLimit{Messages: 2, Overflow: OverflowDropNewest})
	if err != nil {
		t.Fatal(err)
	}
	detach, err := e.AttachStore("s/<$>/data/master", func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	e.SetWants([]string{"zeek/"})
	for range 3 {
		e.PublishLocal("/a/1", data.Count(1))
	}
	if _, ok := sub.Poll(); !ok {
		t.Fatal("nothing came")
	}
	want := []Consumer{
		{Kind: ConsumerSubscriber, Prefixes: []string{"/a", "/b"}, Queued: 1, Received: 2, Dropped: 1},
		{Kind: ConsumerStore, Prefixes: []string{"s/<$>/data/master"}},
		{Kind: ConsumerWants, Prefixes: []string{"zeek/"}},
	}
	if got := e.Consumers(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	sub.Close()
	detach()
	e.SetWants(nil)
	if got := e.Consumers(); len(got) != 0 {
		t.Errorf("left are %+v", got)
	}
}
