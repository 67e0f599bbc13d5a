// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func newEndpoint(t *testing.T, options string) Handle {
	t.Helper()
	h, err := NewEndpoint(encoded(t, options))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if e, err := find[*endpoint](h); err == nil {
			Close(h)
			<-e.down
		}
	})
	return h
}

const plain = `{"disable_ssl" -> T}`

// waitFor polls a descriptor, as users do.
func waitFor(t *testing.T, fd int) {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 60_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n != 1 || err != nil {
			t.Errorf("poll: %d, %v", n, err)
		}
		return
	}
}

// run carries an operation out.
func run(t *testing.T, h Handle, op, args string) (data.Value, error) {
	t.Helper()
	c, err := Start(h, op, encoded(t, args), true)
	if err != nil {
		return data.Value{}, err
	}
	fd, err := Descriptor(c)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, fd)
	v, result, err := Outcome(c)
	if result != outcome(err) {
		t.Errorf("%s: result %d with %v", op, result, err)
	}
	return v, err
}

func do(t *testing.T, h Handle, op, args string) data.Value {
	t.Helper()
	v, err := run(t, h, op, args)
	if err != nil {
		t.Fatalf("%s%s: %v", op, args, err)
	}
	return v
}

// join peers two endpoints.
func join(t *testing.T, a, b Handle) {
	t.Helper()
	port, err := Listen(b, "127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	do(t, a, "peer", fmt.Sprintf(`("127.0.0.1", %d)`, port))
	id, err := EndpointID(a)
	if err != nil {
		t.Fatal(err)
	}
	do(t, b, "await_peer", fmt.Sprintf(`(%q)`, id))
	do(t, a, "sync", `()`)
	do(t, b, "sync", `()`)
}

// takeN waits for so many messages.
func takeN(t *testing.T, h Handle, n int) []data.Value {
	t.Helper()
	fd, err := Descriptor(h)
	if err != nil {
		t.Fatal(err)
	}
	var all []data.Value
	for len(all) < n {
		waitFor(t, fd)
		b, err := Take(h, n-len(all), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range b.msgs {
			all = append(all, m.Value)
		}
		b.Release()
	}
	return all
}

// TestSecurity peers endpoints with TLS without certificates, which is the default, and not with others.
func TestSecurity(t *testing.T) {
	a, b, c := newEndpoint(t, `{->}`), newEndpoint(t, `{->}`), newEndpoint(t, plain)
	join(t, a, b)
	v, err := Query(a, "peers", nil)
	if err != nil {
		t.Fatal(err)
	}
	peer, _ := v.Index(0)
	if security, _ := peer.Index(6); !data.Equal(security, data.String("anonymous TLS 1.2")) {
		t.Errorf("peered with %s", security)
	}
	port, err := Listen(c, "127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, a, "peer", fmt.Sprintf(`("127.0.0.1", %d, 0s)`, port)); Result(err) != 4 {
		t.Errorf("TLS with plain TCP: %v", err)
	}
}

// TestForward makes endpoints that pass nothing on.
func TestForward(t *testing.T) {
	h := newEndpoint(t, `{"disable_ssl" -> T, "forward" -> F}`)
	e, err := find[*endpoint](h)
	if err != nil {
		t.Fatal(err)
	}
	if e.MeshView() != nil {
		t.Error("the endpoint is a node")
	}
	log := t.TempDir() + "/log"
	h = newEndpoint(t, fmt.Sprintf(`{"disable_ssl" -> T, "log" -> %q}`, log))
	other := newEndpoint(t, plain)
	join(t, h, other)
	do(t, h, "shutdown", `()`)
	if b, err := os.ReadFile(log); err != nil || len(b) == 0 {
		t.Errorf("the log has %q, %v", b, err)
	}
}

// TestAwaitFar waits for an endpoint behind another one.
func TestAwaitFar(t *testing.T) {
	a, b, c := newEndpoint(t, plain), newEndpoint(t, plain), newEndpoint(t, `{"disable_ssl" -> T, "forward" -> F}`)
	join(t, a, b)
	join(t, c, b)
	id, err := EndpointID(c)
	if err != nil {
		t.Fatal(err)
	}
	do(t, a, "await_peer", fmt.Sprintf(`(%q)`, id))
	if v := do(t, c, "await_any", `()`); v.Kind() != data.KindString {
		t.Errorf("await_any answers %s", v)
	}
}

// TestAtOnce publishes, takes, reads and writes from many goroutines while the endpoint is shut down.
func TestAtOnce(t *testing.T) {
	a, b := newEndpoint(t, plain), newEndpoint(t, plain)
	sub, err := Subscribe(b, encoded(t, `("/t")`))
	if err != nil {
		t.Fatal(err)
	}
	defer Close(sub)
	join(t, a, b)
	st, err := AttachStore(a, true, "s", nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var published atomic.Int64
	half := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			value := data.Count(1).AppendBinary(nil)
			key, entry := encoded(t, `("k")`), encoded(t, `("k", 1)`)
			for {
				if err := Publish(a, []byte("/t"), value, time.Minute); err != nil {
					if Result(err) != Closed {
						t.Errorf("publish: %v", err)
					}
					return
				}
				if published.Add(1) == 2000 {
					close(half)
				}
				if err := Write(st, "put", entry, time.Minute); Result(err) != OK && Result(err) != Closed {
					t.Errorf("put: %v", err)
				}
				if _, err := Read(st, "get", key, time.Minute); Result(err) != OK && Result(err) != Closed {
					t.Errorf("get: %v", err)
				}
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				c, err := Start(a, "flush", nil, true)
				if err != nil {
					return
				}
				if fd, err := Descriptor(c); err == nil && i%8 > 0 {
					waitFor(t, fd)
					if _, result, err := Outcome(c); result != OK && result != Closed {
						t.Errorf("flush: %v", err)
					}
				}
				Cancel(c) // that of a call that is over does nothing
			}
		})
	}
	wg.Go(func() {
		<-half
		Close(a)
	})
	wg.Wait()
	takeN(t, sub, 2000)
}

// TestCursorWaits goes no further ahead than the bound, and ends when nobody wants more.
func TestCursorWaits(t *testing.T) {
	h := newEndpoint(t, plain)
	e, err := find[*endpoint](h)
	if err != nil {
		t.Fatal(err)
	}
	var put atomic.Int64
	ended := make(chan error, 1)
	f, err := e.newFeed(func(ctx context.Context, more func(data.Value) bool) error {
		for more(data.Count(uint64(put.Add(1)))) {
		}
		ended <- ctx.Err()
		return errors.New("nobody wants to know")
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range takeN(t, f, 5*feedMessages) {
		if n, _ := v.AsCount(); n != uint64(i+1) {
			t.Fatalf("value %d is %s", i, v)
		}
	}
	if n := put.Load(); n > 6*feedMessages+takeAtOnce+1 {
		t.Errorf("%d were made, %d taken", n, 5*feedMessages)
	}
	Close(f)
	if err := <-ended; err == nil {
		t.Error("the producer was not told")
	}
	// One that fails says why, after what it had; one that panics too.
	f, err = e.newFeed(func(_ context.Context, more func(data.Value) bool) error {
		more(data.None())
		panic("on purpose")
	})
	if err != nil {
		t.Fatal(err)
	}
	takeN(t, f, 1)
	fd, err := Descriptor(f)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, fd)
	if _, err := take(f); Result(err) != Failed {
		t.Errorf("got %v", err)
	}
	Close(f)
}

// take takes what there is.
func take(h Handle) (int, error) {
	b, err := Take(h, 1<<20, 0)
	if err != nil {
		return 0, err
	}
	defer b.Release()
	return b.Count(), nil
}

// TestManyPrefixes subscribes to more topics than flow control is possible for.
func TestManyPrefixes(t *testing.T) {
	h := newEndpoint(t, plain)
	var all data.Builder
	for i := range 5000 {
		all.String(fmt.Sprintf("/topic/%d/", i))
	}
	sub, err := Subscribe(h, all.AppendBinary(nil))
	if err != nil {
		t.Fatal(err)
	}
	Close(sub)
	if _, err := take(sub); Result(err) != Closed {
		t.Errorf("got %v", err)
	}
}

// TestEventText prints what the reference does.
func TestEventText(t *testing.T) {
	id, err := data.ParseEndpointID("5f6a1b2c-0000-4000-8000-0123456789ab")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ev    broker.StatusEvent
		text  string
		value string
	}{
		{
			broker.StatusEvent{Code: "peer_added", ID: id, Address: "127.0.0.1:9999", Message: "handshake successful"},
			`peer_added(5f6a1b2c-0000-4000-8000-0123456789ab, 127.0.0.1:9999, "handshake successful")`,
			`("status", 1, ("5f6a1b2c-0000-4000-8000-0123456789ab", "127.0.0.1", 9999)`,
		},
		{
			broker.StatusEvent{Error: true, Code: "peer_unavailable", Address: "127.0.0.1:1", Message: "unable to connect to remote peer"},
			`peer_unavailable(endpoint_info(00000000-0000-0000-0000-000000000000, *127.0.0.1:1), "unable to connect to remote peer")`,
			`("error", 4, ("00000000-0000-0000-0000-000000000000", "127.0.0.1", 1)`,
		},
		{broker.StatusEvent{Error: true, Code: broker.MessagesDropped, Message: "x"}, `messages_dropped("x")`, `("error", 1, nil`},
		{
			broker.StatusEvent{Error: true, Code: "peer_timeout", ID: id, Message: "x"},
			`peer_timeout(endpoint_info(5f6a1b2c-0000-4000-8000-0123456789ab, none), "x")`, `("error", 6, ("5f6a1b2c-0000-4000-8000-0123456789ab", nil, nil)`,
		},
	} {
		if got := eventText(&c.ev); got != c.text {
			t.Errorf("%s\nwant %s", got, c.text)
		}
		want, err := data.ParseText(fmt.Sprintf("%s, %q, %q)", c.value, c.ev.Message, c.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := eventValue(&c.ev); !data.Equal(got, want) {
			t.Errorf("%s\nwant %s", got.Text(), want.Text())
		}
	}
}
