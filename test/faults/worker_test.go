// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

// worker is an endpoint in a process of its own. Orders are carried out one by one.
type worker struct {
	e      *broker.Endpoint
	sub    *broker.Subscriber
	before usage // without an endpoint
	book   *book
	pump   *pump
	read   chan struct{} // closed when the subscriber has been read to its end
}

// work carries out orders until there are no more.
func work(orders io.Reader, answers io.Writer) int {
	w := &worker{}
	lines := bufio.NewScanner(orders)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(answers)
	for lines.Scan() {
		var o order
		err := json.Unmarshal(lines.Bytes(), &o)
		var a answer
		if err == nil {
			a, err = w.obey(&o)
		}
		if err != nil {
			a.Error = err.Error()
		}
		if out.Encode(a) != nil {
			return 1
		}
	}
	return 0
}

func (w *worker) obey(o *order) (answer, error) {
	if w.e == nil && o.Do != doStart && o.Do != doUsage {
		return answer{}, fmt.Errorf("%s: there is no endpoint", o.Do)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	switch o.Do {
	case doStart:
		return w.start(o)
	case doPeer:
		return answer{}, w.e.PeerAsync(o.Address, broker.PeerOptions{Retry: time.Second})
	case doUnpeer:
		w.e.Unpeer(ctx, o.Address) // that there was nothing to end is no fault
		return answer{}, nil
	case doSubscribe:
		w.book.want(o.Prefixes)
		return answer{}, w.sub.SetPrefixes(o.Prefixes)
	case doPump:
		w.pump.begin(o)
		return answer{}, nil
	case doBurst:
		w.pump.begin(o)
		return w.pump.wait()
	case doHalt:
		w.pump.halt()
		return w.pump.wait()
	case doState:
		return report(w.e), nil
	case doArrivals:
		return w.book.answer(), nil
	case doUsage:
		return answer{Use: measure()}, nil
	case doClose:
		return w.close(ctx)
	}
	return answer{}, fmt.Errorf("unknown order %q", o.Do)
}

func (w *worker) start(o *order) (answer, error) {
	w.before = measure()
	if o.Files > 0 {
		limit := unix.Rlimit{Cur: o.Files, Max: o.Files}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return answer{}, err
		}
	}
	opt := broker.Options{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), MaxFrame: o.MaxFrame}
	opt.PeerQueue = broker.QueueLimit{Messages: o.Messages, Bytes: o.Queue, Overflow: broker.Overflow(o.Policy)}
	if o.Kind != kindNode {
		opt.Forward = broker.ForwardNone
	}
	opt.PlainProtocol = o.Kind == kindForeign
	if o.TLS != "" {
		opt.TLS = &peering.TLS{Anonymous: o.TLS == tlsAnonymous, CertPEM: o.CertPEM, KeyPEM: o.KeyPEM, CAPEM: o.CAPEM}
	}
	var err error
	if o.ID != "" {
		if opt.ID, err = data.ParseEndpointID(o.ID); err != nil {
			return answer{}, err
		}
	}
	if w.e, err = broker.New(opt); err != nil {
		return answer{}, err
	}
	w.book = newBook(o.Kind != kindForeign)
	w.pump = &pump{e: w.e, name: o.Name, life: o.Life, sent: make(map[string]uint64)}
	limit := broker.QueueLimit{Messages: 1 << 20, Bytes: 256 << 20}
	if o.Window > 0 {
		limit = broker.QueueLimit{Messages: o.Window, FlowControl: true}
		w.pump.waiting = make(map[string]*broker.Publisher)
	}
	if w.sub, err = w.e.Subscribe(nil, limit); err != nil {
		return answer{}, err
	}
	w.read = make(chan struct{})
	go func() {
		defer close(w.read)
		for m := range w.sub.All(context.Background()) {
			w.book.note(&m)
		}
	}()
	if _, err = w.e.Listen(o.Listen); err != nil {
		return answer{}, err
	}
	return answer{ID: w.e.ID().String()}, nil
}

// close ends the endpoint and looks whether anything is left of it.
func (w *worker) close(ctx context.Context) (answer, error) {
	w.pump.halt()
	if _, err := w.pump.wait(); err != nil {
		return answer{}, err
	}
	closed := w.e.Close(ctx)
	<-w.read
	a := w.book.answer()
	a.Stats = figures(w.e)
	w.e, w.sub = nil, nil
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		runtime.GC() // runs what waits for unreachable things
		a.Use = measure()
		if a.Use.Goroutines <= w.before.Goroutines && a.Use.Descriptors <= w.before.Descriptors {
			break
		}
		if time.Now().After(end) {
			a.Broken = append(a.Broken, fmt.Sprintf("after Close %+v, before New %+v\n%s%s", a.Use, w.before, stacks(), descriptors()))
			break
		}
	}
	return a, closed
}

func stacks() []byte {
	b := make([]byte, 1<<20)
	return b[:runtime.Stack(b, true)]
}

func descriptors() (out string) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name())
		out += fmt.Sprintf("%s: %s\n", e.Name(), to)
	}
	return out
}
