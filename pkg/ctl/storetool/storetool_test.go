// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/client"
	"github.com/brokermesh/brokermesh/pkg/store"
	"github.com/brokermesh/brokermesh/pkg/store/backend/memory"
)

// patience bounds every wait of these tests.
const patience = 40 * time.Second

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newNode is an endpoint to talk to.
func newNode(t *testing.T) (*broker.Endpoint, string) {
	t.Helper()
	e, err := broker.New(broker.Options{})
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	address, err := e.Listen("127.0.0.1:0")
	must(t, err)
	return e, address.String()
}

// tool is a set of options with what is printed.
type tool struct {
	Options
	out, notes bytes.Buffer
}

func newTool(address, name string) *tool {
	o := &tool{Options: Options{Options: client.Options{Peer: address, Plain: true, Timeout: patience, Text: true}, Name: name}}
	o.Out, o.Notes = &o.out, &o.notes
	return o
}

func fileTool(path string) *tool {
	o := &tool{Options: Options{File: path}}
	o.Text, o.Out, o.Notes = true, &o.out, &o.notes
	return o
}

// printed is what was printed since the last call.
func (o *tool) printed() string {
	text := o.out.String()
	o.out.Reset()
	return text
}

func startMaster(t *testing.T, e *broker.Endpoint, name string) *store.Master {
	t.Helper()
	m, err := store.NewMaster(e, name, memory.New(), store.MasterOptions{})
	must(t, err)
	t.Cleanup(func() { must(t, m.Close()) })
	return m
}

// TestValues: the master is two hops away from the node that is asked.
func TestValues(t *testing.T) {
	ctx := t.Context()
	far, farAddress := newNode(t)
	near, address := newNode(t)
	_, err := near.Peer(ctx, farAddress, broker.PeerOptions{})
	must(t, err)
	master := startMaster(t, far, "known")
	o := newTool(address, "known")
	for _, entry := range [][2]string{{"b", "2"}, {"1.2.3.4", "{x, y}"}, {"b", "3"}} {
		must(t, Put(ctx, o.Options, entry[0], entry[1], PutOptions{}))
	}
	if v, err := master.Get(ctx, data.String("b")); err != nil || !data.Equal(v, data.Count(3)) {
		t.Errorf("the master has %v, %v", v, err)
	}
	must(t, Keys(ctx, o.Options, false))
	if got := o.printed(); got != "b\n1.2.3.4\n" {
		t.Errorf("keys %q", got)
	}
	must(t, Get(ctx, o.Options, "1.2.3.4"))
	if got := o.printed(); got != "{x, y}\n" {
		t.Errorf("value %q", got)
	}
	if err := Get(ctx, o.Options, "absent"); !errors.Is(err, code.NoSuchKey) || ctl.Code(err) != ctl.ExitFailure {
		t.Errorf("a key that isn't there: %v", err)
	}
	if err := Put(ctx, o.Options, "b", "4", PutOptions{Unique: true}); !errors.Is(err, ErrExists) || ctl.Code(err) != ctl.ExitFailure {
		t.Errorf("a key that is there already: %v", err)
	}
	must(t, Put(ctx, o.Options, "c", "4", PutOptions{Unique: true, Expiry: time.Hour}))
	must(t, Remove(ctx, o.Options, []string{"b", "absent"}))
	must(t, Keys(ctx, o.Options, true))
	if got := o.printed(); !strings.Contains(got, "c\n") || strings.Contains(got, "b\n") {
		t.Errorf("keys %q", got)
	}
	o.JSON = true
	must(t, Get(ctx, o.Options, "c"))
	if got := o.printed(); got != `{"key":{"@data-type":"string","data":"c"},"value":{"@data-type":"count","data":4}}`+"\n" {
		t.Errorf("as JSON: %s", got)
	}
	for what, err := range map[string]error{
		"expiry":  Put(ctx, o.Options, "c", "4", PutOptions{Expiry: -1}),
		"no name": Get(ctx, Options{Options: o.Options.Options}, "c"),
		"both":    Get(ctx, Options{Options: o.Options.Options, File: "x"}, "c"),
	} {
		if ctl.Code(err) != ctl.ExitBadInput {
			t.Errorf("%s: %v", what, err)
		}
	}
	if o.notes.Len() > 0 {
		t.Errorf("notes: %s", &o.notes)
	}
	o.Name, o.Timeout = "nosuch", 200*time.Millisecond
	if err := Get(ctx, o.Options, "b"); ctl.Code(err) != ctl.ExitTimeout {
		t.Errorf("a store that isn't there: %v", err)
	}
}

func TestListAndStat(t *testing.T) {
	ctx := t.Context()
	e, address := newNode(t)
	master := startMaster(t, e, "zeek/known")
	startMaster(t, e, "a/")
	must(t, master.Put(ctx, data.Count(1), data.Count(2), 0))
	leaf, err := broker.New(broker.Options{Forward: broker.ForwardNone})
	must(t, err)
	defer leaf.Close(context.Background())
	_, err = leaf.Peer(ctx, address, broker.PeerOptions{})
	must(t, err)
	clone, err := store.NewClone(leaf, "zeek/known", store.CloneOptions{})
	must(t, err)
	defer clone.Close()
	must(t, clone.AwaitIdle(ctx))
	must(t, master.AwaitIdle(ctx))

	o := newTool(address, "zeek/known")
	must(t, Stat(ctx, o.Options))
	got := o.printed()
	for _, want := range []string{"ROLE", "master  " + e.ID().String(), "clone   " + leaf.ID().String(), "serving", "synced", "epoch 1"} {
		if !strings.Contains(got, want) {
			t.Errorf("stat lacks %q:\n%s", want, got)
		}
	}
	o.JSON = true
	must(t, Stat(ctx, o.Options))
	var doc statDocument
	must(t, json.Unmarshal([]byte(o.printed()), &doc))
	if len(doc.Masters) != 1 || len(doc.Clones) != 1 || doc.Masters[0].Entries != 1 || doc.Clones[0].Entries != 1 || doc.Masters[0].Clones != 1 {
		t.Errorf("as JSON: %+v", doc)
	}
	if name, master, ok := storeOf("a//<$>/data/master"); name != "a/" || !master || !ok {
		t.Errorf("store %q, %v, %v", name, master, ok)
	}
	if name, master, ok := storeOf("zeek/known/<$>/data/clone"); name != "zeek/known" || master || !ok {
		t.Errorf("store %q, %v, %v", name, master, ok)
	}
	if _, _, ok := storeOf("zeek/events"); ok {
		t.Error("a topic of events is taken for a store's")
	}
}

// TestExportImport: what is exported comes back the same, with expiry, over a mesh and into files of both kinds.
func TestExportImport(t *testing.T) {
	ctx := t.Context()
	e, address := newNode(t)
	from, to := startMaster(t, e, "from"), startMaster(t, e, "to")
	const n = 2500 // more than a batch
	for i := range n {
		from.PutAsync(data.Vector(data.Count(uint64(i)), data.String("k")), data.Set(data.Real(float64(i)), data.None()), 0)
	}
	must(t, from.Put(ctx, data.String("short"), data.String("x\xff"), time.Hour))
	must(t, from.AwaitIdle(ctx))
	file := filepath.Join(t.TempDir(), "export.jsonl")
	o := newTool(address, "from")
	must(t, Export(ctx, o.Options, ExportOptions{To: file}))
	if err := Export(ctx, o.Options, ExportOptions{To: file}); ctl.Code(err) != ctl.ExitBadInput {
		t.Errorf("over a file that is there: %v", err)
	}
	o.Name = "to"
	must(t, Import(ctx, o.Options, ImportOptions{From: file, FromLine: 1}))
	must(t, Import(ctx, o.Options, ImportOptions{From: file, FromLine: 1000}))
	same(t, from, to)

	// An export that was cut off in the middle of a line goes on.
	text, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, text[:len(text)/2], 0o600))
	o.Name = "from"
	must(t, Export(ctx, o.Options, ExportOptions{To: file, Resume: true}))
	must(t, to.Clear(ctx))
	for _, kind := range []string{"sqlite", "pebble"} {
		f := fileTool(filepath.Join(t.TempDir(), "db"))
		f.Backend = kind
		must(t, Import(ctx, f.Options, ImportOptions{From: file, FromLine: 1}))
		if got := f.notes.String(); !strings.HasPrefix(got, fmt.Sprint(n+1, " entries put")) {
			t.Errorf("%s: %s", kind, got)
		}
		must(t, Verify(ctx, f.Options, false, false))
		if got := f.printed(); got != fmt.Sprintf("%s: sound: %d entries\n", f.File, n+1) {
			t.Errorf("%s: %s", kind, got)
		}
		must(t, Export(ctx, f.Options, ExportOptions{}))
		o.Name = "to"
		must(t, Import(ctx, o.Options, ImportOptions{In: &f.out, FromLine: 1}))
		same(t, from, to)
		must(t, Get(ctx, f.Options, "(7, k)"))
		if got := f.out.String(); !strings.Contains(got, "7") {
			t.Errorf("%s: get prints %q", kind, got)
		}
	}
}

// same checks that two stores have the same entries.
func same(t *testing.T, a, b *store.Master) {
	t.Helper()
	seen := 0
	for e, err := range a.Entries(t.Context()) {
		must(t, err)
		v, err := b.Get(t.Context(), e.Key)
		if err != nil || !data.Equal(v, e.Value) {
			t.Fatalf("%v is %v, %v; want %v", e.Key, v, err, e.Value)
		}
		seen++
	}
	for e, err := range b.Entries(t.Context()) {
		must(t, err)
		if e.Key.String() == "short" {
			if left := time.Until(time.Unix(0, int64(e.Deadline))); left <= 0 || left > time.Hour {
				t.Errorf("it expires in %v", left)
			}
		}
		seen--
	}
	if seen != 0 {
		t.Errorf("%d entries more", seen)
	}
}

func TestImportOfNonsense(t *testing.T) {
	e, address := newNode(t)
	m := startMaster(t, e, "s")
	o := newTool(address, "s")
	good := `{"key":{"@data-type":"count","data":1},"value":{"@data-type":"none"}}`
	for _, tt := range []struct{ name, text, want string }{
		{"no JSON", good + "\nxx\n", "line 2"},
		{"no key", `{"value":{"@data-type":"none"}}`, "line 1: not an entry"},
		{"a key that is none", `{"key":{"@data-type":"what"},"value":{"@data-type":"none"}}`, "line 1: key"},
		{"a value that is none", `{"key":{"@data-type":"none"},"value":3}`, "line 1: value"},
		{"another format", `{"brokermeshStore":2}`, "newer format"},
	} {
		err := Import(t.Context(), o.Options, ImportOptions{In: strings.NewReader(tt.text), FromLine: 1})
		if ctl.Code(err) != ctl.ExitBadInput || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if ok, err := m.Exists(t.Context(), data.Count(1)); err != nil || !ok {
		t.Errorf("the line before the wrong one was not put: %v, %v", ok, err)
	}
	past := strings.TrimSuffix(good, "}") + `,"expires":"2001-02-03T04:05:06Z"}` + "\n\n"
	must(t, m.Clear(t.Context()))
	must(t, Import(t.Context(), o.Options, ImportOptions{In: strings.NewReader(past), FromLine: 1}))
	if ok, _ := m.Exists(t.Context(), data.Count(1)); ok || !strings.Contains(o.notes.String(), "0 entries put, 1 had expired") {
		t.Errorf("what expired long ago: %v, notes %s", ok, &o.notes)
	}
}

func TestFileErrors(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "db.sqlite")
	f := fileTool(path)
	for _, err := range []error{
		Get(ctx, f.Options, "k"), Compact(ctx, f.Options), Verify(ctx, f.Options, false, false), Compact(ctx, Options{}), List(ctx, f.Options),
	} {
		if ctl.Code(err) != ctl.ExitBadInput {
			t.Errorf("no file: %v", err)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was made by reading")
	}
	f.Backend = "rocks"
	if err := Put(ctx, f.Options, "k", "1", PutOptions{}); ctl.Code(err) != ctl.ExitBadInput {
		t.Errorf("an unknown backend: %v", err)
	}
	f.Backend = "sqlite"
	must(t, Put(ctx, f.Options, "k", "1", PutOptions{}))
	be, _, err := f.openFile()
	must(t, err)
	defer be.Close()
	if err := Get(ctx, f.Options, "k"); err == nil || ctl.Code(err) != ctl.ExitFailure || !strings.Contains(err.Error(), path) {
		t.Errorf("a file in use: %v", err)
	}
	f.Backend = "pebble"
	if err := Get(ctx, f.Options, "k"); ctl.Code(err) != ctl.ExitBadInput {
		t.Errorf("another kind: %v", err)
	}
}

func TestVerify(t *testing.T) {
	ctx := t.Context()
	e, address := newNode(t)
	master := startMaster(t, e, "s")
	for i := range 1000 {
		master.PutAsync(data.Count(uint64(i)), data.Count(uint64(i)), 0)
	}
	must(t, master.AwaitIdle(ctx))
	near, err := broker.New(broker.Options{Forward: broker.ForwardNone})
	must(t, err)
	defer near.Close(context.Background())
	_, err = near.Peer(ctx, address, broker.PeerOptions{})
	must(t, err)
	clone, err := store.NewClone(near, "s", store.CloneOptions{})
	must(t, err)
	defer clone.Close()
	must(t, clone.AwaitIdle(ctx))
	must(t, master.AwaitIdle(ctx))
	o := newTool(address, "s")
	must(t, Verify(ctx, o.Options, false, false))
	if got := o.printed(); !strings.Contains(got, "equal") || !strings.Contains(got, "1000 entries") {
		t.Errorf("printed:\n%s", got)
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() { // what is under way is no difference
		defer close(stopped)
		for i := uint64(0); ; i++ {
			select {
			case <-done:
				return
			default:
			}
			if err := master.Put(ctx, data.Count(i%500), data.Count(i), 0); err != nil {
				t.Error(err)
			}
		}
	}()
	err = Verify(ctx, o.Options, true, true)
	close(done)
	<-stopped
	if err != nil {
		t.Errorf("while the store changes: %v\n%s", err, o.printed())
	}
}

// asClone is an endpoint on which a master answers as if it were a clone: one whose content went wrong.
type asClone struct{ *broker.Endpoint }

func (a asClone) AttachStore(name string, handle func([]byte)) (func(), error) {
	return a.Endpoint.AttachStore(topic.Clone("s"), handle)
}

// SendCommand keeps back what a master says to others of its name.
func (a asClone) SendCommand(name string, receiver data.EndpointID, payload []byte) error {
	if name == topic.Master("s") {
		return nil
	}
	return a.Endpoint.SendCommand(name, receiver, payload)
}

// TestDiff: a clone whose content is not its master's is found out, and the keys are named.
func TestDiff(t *testing.T) {
	ctx := t.Context()
	e, address := newNode(t)
	master := startMaster(t, e, "s")
	near, err := broker.New(broker.Options{Forward: broker.ForwardNone})
	must(t, err)
	defer near.Close(context.Background())
	_, err = near.Peer(ctx, address, broker.PeerOptions{})
	must(t, err)
	wrong, err := store.NewMaster(asClone{near}, "s", memory.New(), store.MasterOptions{})
	must(t, err)
	defer wrong.Close()
	for i := range 1000 {
		master.PutAsync(data.Count(uint64(i)), data.Count(uint64(i)), 0)
		wrong.PutAsync(data.Count(uint64(i)), data.Count(uint64(i)), 0)
	}
	must(t, wrong.Erase(ctx, data.Count(1)))
	must(t, wrong.Put(ctx, data.Count(2), data.String("two"), 0))
	must(t, wrong.Put(ctx, data.Count(3000), data.None(), 0))
	must(t, master.AwaitIdle(ctx))
	o := newTool(address, "s")
	err = o.with(ctx, func(target *target) error {
		report, err := target.remote.Master(ctx)
		must(t, err)
		clones, err := target.remote.Clones(ctx, patience, 1)
		must(t, err)
		c := comparison{clone: clones[0]}
		c.clone.Role = "clone"
		must(t, target.compare(ctx, report, &c))
		report.Clones = 2
		return target.showComparisons(report, []comparison{c}, true, true)
	})
	if !errors.Is(err, ErrDiffer) || ctl.Code(err) != ctl.ExitFailure {
		t.Errorf("differences: %v", err)
	}
	if got := o.printed(); !strings.Contains(got, "3 keys differ") ||
		!strings.Contains(got, "< 1\n    master: 1\n! 2\n    master: 2\n    clone:  two\n> 3000\n    clone:  nil\n") {
		t.Errorf("printed:\n%s", got)
	}
	if !strings.Contains(o.notes.String(), "1 clone did not answer") {
		t.Errorf("notes: %s", &o.notes)
	}
}

// TestWatch: changes are printed, by a remote and by a clone.
func TestWatch(t *testing.T) {
	ctx := t.Context()
	e, address := newNode(t)
	m := startMaster(t, e, "s")
	must(t, m.Put(ctx, data.String("k"), data.Count(1), 0))
	for _, asJSON := range []bool{false, true} {
		o := newTool(address, "s")
		o.JSON = asJSON
		begun := make(chan struct{})
		o.Notes = writerFunc(func(text []byte) { close(begun) })
		done := make(chan error)
		go func() { done <- Watch(ctx, o.Options, WatchOptions{Key: "k", HasKey: true, Count: 3}) }()
		<-begun
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for stop := false; !stop; { // until it has seen enough
			for _, err := range []error{
				m.Erase(ctx, data.String("k")), m.Put(ctx, data.String("k"), data.Count(1), time.Hour), m.Increment(ctx, data.String("k"), data.Count(1), 0),
			} {
				must(t, err)
			}
			select {
			case err := <-done:
				must(t, err)
				stop = true
			case <-again.C:
			}
		}
		lines := strings.Split(strings.TrimSpace(o.printed()), "\n")
		kinds := map[string]bool{}
		for _, line := range lines {
			for _, kind := range []string{"insert k: 1, expires after 1h0m0s", "update k: 1 -> 2", "erase k: was 2", `"insert"`, `"update"`, `"erase"`} {
				kinds[kind] = kinds[kind] || strings.Contains(line, kind)
			}
		}
		if len(lines) != 3 || asJSON && !kinds[`"insert"`] || !asJSON && !(kinds["insert k: 1, expires after 1h0m0s"] && kinds["update k: 1 -> 2"]) {
			t.Errorf("printed %q", lines)
		}
	}
	o := newTool(address, "s")
	if err := Watch(ctx, o.Options, WatchOptions{Key: "k", HasKey: true, Prefix: "k"}); ctl.Code(err) != ctl.ExitBadInput {
		t.Errorf("a key and a prefix: %v", err)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) {
	f(b)
	return len(b), nil
}
