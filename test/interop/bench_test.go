// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"testing"

	halves "github.com/brokermesh/brokermesh/pkg/bench"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// benchHalf runs a half of a workload that listens, and answers its address.
func benchHalf[R any](t *testing.T, run func(context.Context, halves.Link) (R, error)) (address string, end func() R) {
	t.Helper()
	listens := make(chan net.Addr, 1)
	var result R
	var err error
	done := make(chan struct{})
	ctx := within(t)
	go func() {
		defer close(done)
		result, err = run(ctx, halves.Link{Listen: "127.0.0.1:0", Listening: func(a net.Addr) { listens <- a }})
	}()
	select {
	case a := <-listens:
		address = a.String()
	case <-done:
		t.Fatal(err)
	}
	return address, func() R {
		t.Helper()
		<-done
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
}

// TestBenchSink counts and reads what another implementation publishes.
func TestBenchSink(t *testing.T) {
	const count = 50
	var sum uint64
	for i := range count {
		sum += halves.Checksum(data.Count(uint64(i)))
	}
	for _, countOnly := range []bool{false, true} {
		address, end := benchHalf(t, func(ctx context.Context, l halves.Link) (halves.Result, error) {
			return halves.Sink(ctx, halves.SinkOptions{Link: l, Count: count, CountOnly: countOnly})
		})
		p := start(t)
		p.connect(address, nil)
		if got := p.wait("peered"); fmt.Sprint(got["filter"]) != "[/bench]" {
			t.Errorf("filter: %v", got["filter"])
		}
		for i := range count {
			p.do(command{"do": "publish", "topic": "/bench", "hex": hex.EncodeToString(data.Count(uint64(i)).AppendBinary(nil))})
		}
		if countOnly {
			p.do(command{"do": "close"}) // waits for an answer to its goodbye
		}
		r := end()
		if r.Messages != count || !countOnly && r.Checksum != fmt.Sprintf("%016x", sum) {
			t.Errorf("count only %v: %+v, want the sum %016x", countOnly, r, sum)
		}
	}
}

// TestBenchSource lets another implementation receive.
func TestBenchSource(t *testing.T) {
	const count = 50
	p := start(t)
	p.do(command{"do": "subscribe", "topic": "/bench"})
	r, err := halves.Source(within(t), halves.SourceOptions{Link: halves.Link{Peers: []string{p.listen(nil)}}, Count: count, Event: 2})
	if err != nil || r.Messages != count || r.Sinks != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	build, err := halves.EventBuilder(2)
	ok(t, err)
	for range count {
		if m := p.wait("message"); m.str("topic") != "/bench" || m.str("hex") != hex.EncodeToString(build().AppendBinary(nil)) {
			t.Fatalf("message: %v", m)
		}
	}
}

// TestBenchPong asks from another implementation.
func TestBenchPong(t *testing.T) {
	address, end := benchHalf(t, func(ctx context.Context, l halves.Link) (halves.Result, error) {
		return halves.Pong(ctx, halves.PongOptions{Link: l})
	})
	p := start(t)
	p.do(command{"do": "subscribe", "topic": "/pong"})
	p.connect(address, nil)
	p.wait("peered")
	for i := range 3 {
		p.do(command{"do": "publish", "topic": "/ping", "value": "?"})
		if m := p.wait("message"); m.str("topic") != "/pong" || m.str("hex") != hex.EncodeToString(data.Count(uint64(i+1)).AppendBinary(nil)) {
			t.Errorf("answer %d: %v", i+1, m)
		}
	}
	p.do(command{"do": "close"})
	if r := end(); r.Messages != 3 {
		t.Errorf("%+v", r)
	}
}

// TestBenchMaster lets another implementation copy the store and ask for more.
func TestBenchMaster(t *testing.T) {
	const count = 20
	address, end := benchHalf(t, func(ctx context.Context, l halves.Link) (halves.MasterResult, error) {
		return halves.Master(ctx, halves.MasterOptions{Link: l, Count: count, Writers: 4})
	})
	p := start(t)
	p.do(command{"do": "clone", "store": halves.StoreName})
	p.connect(address, nil)
	if got := p.wait("clone_attached"); got.num("entries") != count {
		t.Errorf("attached: %v", got)
	}
	p.do(command{"do": "publish", "topic": halves.GoTopic, "value": "go"})
	if r := end(); r.Messages != count || r.ReplicatedPutRate <= 0 {
		t.Errorf("%+v", r)
	}
	raw, err := hex.DecodeString(p.ask(command{"do": "keys", "store": halves.StoreName}).str("hex"))
	ok(t, err)
	keys, err := data.Decode(raw)
	ok(t, err)
	if keys.Len() != 2*count {
		t.Errorf("%d entries at the end", keys.Len())
	}
}

// TestBenchClone copies another implementation's store.
func TestBenchClone(t *testing.T) {
	p := start(t)
	p.do(command{"do": "master", "store": halves.StoreName})
	for i := range 3 {
		p.do(command{"do": "put", "store": halves.StoreName, "key": i, "value": "x"})
	}
	r, err := halves.Clone(within(t), halves.CloneOptions{Link: halves.Link{Peers: []string{p.listen(nil)}}, SyncOnly: true})
	if err != nil || r.Messages != 3 || r.Entries != 3 || r.SyncSeconds <= 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
