// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// workload is what several processes do together.
type workload struct {
	name  string
	count int
	// halves are started in this order, each when the one before it is ready.
	halves []half
}

// half is one process: brokerctl bench with some arguments. In them {count} is
// the workload's count, {dir} a fresh folder, {tls} one with a certificate, and
// {NAME} the address at which the half of this name listens.
type half struct {
	name    string
	args    []string
	listens bool
	// env are variables of its environment, besides those of this process.
	env []string
	// hidden halves are like the first of their kind: the table leaves them out.
	hidden bool
}

func listening(name, command string, more ...string) half {
	return half{name: name, args: append([]string{command, "--listen", "127.0.0.1:0"}, more...), listens: true}
}

func dialing(name, command, peer string, more ...string) half {
	return half{name: name, args: append([]string{command, "--peer", peer}, more...)}
}

// The counts make a run last some seconds.
const (
	pubsubCount = 3_000_000
	pingCount   = 20_000
	storeCount  = 200_000
	putCount    = 1_000_000
)

func workloads() []workload {
	count := []string{"--count", "{count}"}
	counted := func(more ...string) []string { return append(count[:2:2], more...) }
	pubsub := func(name string, count int, more ...string) workload {
		return workload{name, count, []half{
			listening("sink", "sink", counted(security(more)...)...), dialing("source", "source", "{sink}", counted(more...)...),
		}}
	}
	relay := func(name string, more ...string) workload {
		return workload{name, pubsubCount, []half{
			listening("sink", "sink", counted(more...)...),
			listening("relay", "relay", append([]string{"--peer", "{sink}"}, more...)...),
			dialing("source", "source", "{relay}", counted(more...)...),
		}}
	}
	store := func(name, backend, sync string, count int) workload {
		return workload{name, count, []half{{name: "master", args: counted("store", "--backend", backend, "--dir", "{dir}", "--sync", sync)}}}
	}
	poll := []string{"--busy-poll", "200us"}
	return []workload{
		pubsub("pubsub event 1", pubsubCount, "--event", "1"),
		pubsub("pubsub event 2", pubsubCount/2, "--event", "2"),
		pubsub("pubsub event 1, TLS", pubsubCount, "--event", "1", "--tls-dir", "{tls}"),
		relay("relay"),
		relay("relay in a mesh", "--mesh"),
		fanOut("fan-out to 1", 1, same), fanOut("fan-out to 10", 10, same), fanOut("fan-out to 10, one thread", 10, oneThread),
		{"ping", pingCount, []half{listening("pong", "pong"), dialing("ping", "ping", "{pong}", count...)}},
		{"ping, readers poll, one thread", pingCount, []half{oneThread(listening("pong", "pong", poll...)), oneThread(dialing("ping", "ping", "{pong}", counted(poll...)...))}},
		store("store put, memory", "memory", "full", 2*putCount),
		store("store put, sqlite full", "sqlite", "full", putCount),
		store("store put, sqlite normal", "sqlite", "normal", putCount),
		store("store put, pebble", "pebble", "full", putCount),
		{"sync and replicate", storeCount, []half{listening("master", "master", count...), dialing("clone", "clone", "{master}")}},
		{"put to 100 clones", storeCount, []half{listening("master", "master", count...), dialing("clones", "clones", "{master}", "--clones", "100")}},
	}
}

// security are those of the arguments that both ends need.
func security(args []string) []string {
	for i, a := range args {
		if a == "--tls-dir" {
			return args[i : i+2]
		}
	}
	return nil
}

// same and oneThread say how many threads of Go code a half has: as many as there are processors, or one.
func same(h half) half { return h }

func oneThread(h half) half {
	h.env = append(h.env, "GOMAXPROCS=1")
	return h
}

func fanOut(name string, sinks int, threads func(half) half) workload {
	w := workload{name: name, count: pubsubCount / 3}
	source := half{name: "source", args: []string{"source", "--count", "{count}"}}
	for i := range sinks {
		sink := listening(fmt.Sprintf("counting sink %d", i+1), "sink", "--count-only", "--count", "{count}")
		sink.hidden = i > 0
		w.halves = append(w.halves, sink)
		source.args = append(source.args, "--peer", "{"+sink.name+"}")
	}
	w.halves = append(w.halves, threads(source))
	return w
}

// outcome is a workload with what its runs gave.
type outcome struct {
	workload
	// runs have a figure by half and field.
	runs []map[string]figures
}

// figures are what a half printed.
type figures map[string]any

// number is a figure, if it is one.
func (f figures) number(field string) (float64, bool) {
	n, ok := f[field].(float64)
	return n, ok
}

// check compares what the halves of a run say.
func (w *workload) check(run map[string]figures) error {
	sums := map[any]bool{}
	for name, f := range run {
		if n, _ := f.number("messages"); int(n) != w.count {
			return fmt.Errorf("%s: %v messages, want %d", name, f["messages"], w.count)
		}
		if sum, ok := f["checksum"]; ok {
			sums[sum] = true
		}
		if n, ok := f.number("dropped"); ok && n > 0 {
			return fmt.Errorf("%s: %v messages were dropped", name, n)
		}
		if n, ok := f.number("entries"); ok && int(n) != 2*w.count {
			return fmt.Errorf("%s: %v entries at the end, want %d", name, n, 2*w.count)
		}
	}
	if len(sums) > 1 {
		return fmt.Errorf("the halves have read different things: %v", run)
	}
	return nil
}
