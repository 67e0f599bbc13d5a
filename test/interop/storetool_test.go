// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	ctlclient "github.com/brokermesh/brokermesh/pkg/ctl/client"
	"github.com/brokermesh/brokermesh/pkg/ctl/storetool"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// TestForeignCloneSeesExtensions: batches, conditions and the writes of remotes reach a clone in Python as ordinary commands.
func TestForeignCloneSeesExtensions(t *testing.T) {
	e := endpoint(t, broker.Options{}, "")
	m := newMaster(t, e)
	p := start(t)
	peered(t, e, p)
	p.do(command{"do": "clone", "store": "s"})
	p.wait("clone_attached")
	ctx := within(t)
	ok(t, m.Apply(ctx, store.Batch{
		If:     []store.Condition{{Key: str("a")}},
		Writes: []store.Write{store.WritePut(str("a"), data.Count(1), 0), store.WriteAdd(str("a"), data.Count(2), data.KindCount, 0), store.WritePut(str("b"), str("x"), time.Hour)},
	}))
	if err := m.Apply(ctx, store.Batch{If: []store.Condition{{Key: str("a")}}, Writes: []store.Write{store.WriteClear()}}); !errors.Is(err, store.ErrConditionFailed) {
		t.Errorf("a condition that does not hold: %v", err)
	}
	if done, err := m.CompareAndSet(ctx, str("b"), str("x"), true, str("y"), 0); err != nil || !done {
		t.Errorf("compare and set: %v, %v", done, err)
	}
	r, err := store.NewRemote(e, "s", store.RemoteOptions{})
	ok(t, err)
	defer r.Close()
	ok(t, r.Push(ctx, str("v"), data.Count(7), 0))
	if n := same(t, "after batches", m, m.Keys, p); n != 3 {
		t.Errorf("%d entries", n)
	}
	if s := m.Status(); s.Clones != 1 || s.Malformed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestForeignMasterAndExtensions: what a master in Python can't do is said, and nothing of it disturbs the connection.
func TestForeignMasterAndExtensions(t *testing.T) {
	e := endpoint(t, broker.Options{}, "")
	p := start(t)
	p.do(command{"do": "master", "store": "s"})
	p.do(command{"do": "put", "store": "s", "key": "table", "value": 1})
	peered(t, e, p)
	c := newClone(t, e)
	p.wait("clone_established")
	ctx := within(t)
	r, err := store.NewRemote(e, "s", store.RemoteOptions{FindTimeout: 500 * time.Millisecond})
	ok(t, err)
	defer r.Close()
	if _, err := r.Get(ctx, str("table")); !errors.Is(err, store.ErrForeignMaster) || !errors.Is(err, code.NoSuchMaster) {
		t.Errorf("asked: %v", err)
	}
	if _, err := c.CompareAndSet(ctx, str("k"), data.None(), false, data.Count(1), 0); !errors.Is(err, store.ErrNotSupported) {
		t.Errorf("compare and set: %v", err)
	}
	if err := c.Apply(ctx, store.Batch{Writes: []store.Write{store.WriteClear()}}); !errors.Is(err, store.ErrNotSupported) {
		t.Errorf("a batch: %v", err)
	}
	ok(t, c.InsertIntoTable(ctx, str("m"), data.Count(1), data.Count(2), 0))
	if v, err := c.GetIndex(ctx, str("m"), data.Count(1)); err != nil || !data.Equal(v, data.Count(2)) {
		t.Errorf("get index: %v, %v", v, err)
	}
	if there, err := c.Exists(ctx, str("m")); err != nil || !there {
		t.Errorf("exists: %v, %v", there, err)
	}
	proxy := store.NewProxy(c)
	defer proxy.Close()
	proxy.PutUnique(str("m"), data.Count(1), 0)
	proxy.PutUnique(str("u"), data.Count(1), 0)
	proxy.Get(str("u"))
	responses, err := proxy.ReceiveN(ctx, 3)
	ok(t, err)
	if got := responses[0].Value.String() + responses[1].Value.String() + responses[2].Value.String(); got != "FT1" {
		t.Errorf("the proxy got %v", responses)
	}
	same(t, "after all that", c, c.Keys, p)
}

// TestStoreToolOfForeignMaster: the tool copies the store of a master in Python, and says so.
func TestStoreToolOfForeignMaster(t *testing.T) {
	p := start(t)
	p.do(command{"do": "master", "store": "s"})
	p.do(command{"do": "put", "store": "s", "key": "a", "value": 1})
	var out, notes bytes.Buffer
	o := storetool.Options{
		Options: ctlclient.Options{Peer: p.listen(nil), Plain: true, Timeout: patience, Text: true}, Name: "s", Out: &out, Notes: &notes,
	}
	ctx := within(t)
	ok(t, storetool.Put(ctx, o, "b", "{1, x}", storetool.PutOptions{}))
	ok(t, storetool.Put(ctx, o, "c", "1", storetool.PutOptions{Unique: true}))
	if err := storetool.Put(ctx, o, "c", "2", storetool.PutOptions{Unique: true}); !errors.Is(err, storetool.ErrExists) {
		t.Errorf("a key that is there: %v", err)
	}
	ok(t, storetool.Remove(ctx, o, []string{"a"}))
	ok(t, storetool.Import(ctx, o, storetool.ImportOptions{
		In: strings.NewReader(`{"key":{"@data-type":"count","data":5},"value":{"@data-type":"none"}}` + "\n"), FromLine: 1,
	}))
	out.Reset()
	ok(t, storetool.Keys(ctx, o, false))
	if got := out.String(); got != "5\nb\nc\n" {
		t.Errorf("keys %q", got)
	}
	if !strings.Contains(notes.String(), "copied all of it as a clone") {
		t.Errorf("notes: %s", &notes)
	}
	if err := storetool.Verify(ctx, o, false, false); !errors.Is(err, store.ErrForeignMaster) {
		t.Errorf("verify: %v", err)
	}
}
