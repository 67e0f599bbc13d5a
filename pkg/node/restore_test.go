// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/backend/sqlite"
	"github.com/brokermesh/brokermesh/pkg/store/export"
)

const (
	olderBackup = "20260301T030000Z.jsonl.gz"
	newerBackup = "20260302T030000Z.jsonl.gz"
)

// packedBackup is a backup with so many entries, and one that has expired.
func packedBackup(t *testing.T, n int) []byte {
	t.Helper()
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	w, err := export.NewWriter(packed, "s")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := w.Put(backend.Entry{Key: data.Count(uint64(i)), Value: data.String(strings.Repeat("x", i)), Deadline: backend.Never}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Put(backend.Entry{Key: data.String("expired"), Value: data.None(), Deadline: 1}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// vault makes a folder of backups of the store s on the volume "claim".
func vault(t *testing.T, files map[string][]byte) string {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "claim", "s")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// restoring is a config whose master begins with a backup.
func restoring(backendKind, file string) nodeconfig.Config {
	c := config("a")
	s := master("s", backendKind)
	s.RestoreClaim, s.RestoreStore, s.RestoreFile = "claim", "s", file
	c.Stores = []nodeconfig.Store{s}
	return c
}

func restoreOf(s statusapi.Status) statusapi.Restore {
	if len(s.Stores) != 1 || s.Stores[0].Restore == nil {
		return statusapi.Restore{}
	}
	return *s.Stores[0].Restore
}

// hasBegun waits for a master with so many entries that says which backup it began with.
func hasBegun(t *testing.T, n *Node, file string, entries int64) statusapi.Store {
	t.Helper()
	return await(t, n, fmt.Sprintf("%d entries of %s", entries, file), func(s statusapi.Status) bool {
		return restoreOf(s).File == file && s.Stores[0].State == statusapi.StoreServing && s.Stores[0].Entries == entries
	}).Stores[0]
}

func backupNode(t *testing.T, dataDir, backupDir string) *Node {
	t.Helper()
	n, _ := clocked(t, dataDir, backupDir, time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC))
	return n
}

// TestRestore begins with a backup, once only: neither a restart nor another request touches what was written since.
func TestRestore(t *testing.T) {
	root := vault(t, map[string][]byte{olderBackup: packedBackup(t, 3), newerBackup: packedBackup(t, 5), ".new-1": nil, "zzz": nil})
	for _, kind := range []string{nodeconfig.BackendSQLite, nodeconfig.BackendPebble, nodeconfig.BackendMemory} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			n := backupNode(t, dir, root)
			c := restoring(kind, "")
			c.Stores[0].Epoch = 1
			apply(t, n, c)
			first := hasBegun(t, n, newerBackup, 5)
			if got := restoreOf(n.Status()); got.Request != "claim/s/latest" || got.Entries != 5 || got.Refused || got.Error != "" {
				t.Errorf("it says %+v", got)
			}
			m := theMaster(t, n)
			if err := m.Erase(t.Context(), data.Count(0)); err != nil {
				t.Fatal(err)
			}

			// What is done with may be taken out of the config as the master runs.
			c.Stores[0].RestoreClaim, c.Stores[0].RestoreStore = "", ""
			apply(t, n, c)
			await(t, n, "no more of it", func(s statusapi.Status) bool { return s.Stores[0].Restore == nil })
			if theMaster(t, n) != m {
				t.Error("another master")
			}

			// Another request comes to a store with entries.
			apply(t, n, restoring(kind, olderBackup))
			if kind == nodeconfig.BackendMemory {
				hasBegun(t, n, olderBackup, 3) // its entries went with the master that the change of the config ended
				return
			}
			s := await(t, n, "it is refused", func(s statusapi.Status) bool {
				return restoreOf(s).Refused && s.Stores[0].State == statusapi.StoreServing
			}).Stores[0]
			if s.Entries != 4 || s.History != first.History || restoreOf(n.Status()).File != "" {
				t.Errorf("it has become %+v", s)
			}
			closeNode(t, n)

			// The refusal is for good, even if the store is empty one day.
			n = backupNode(t, dir, root)
			apply(t, n, restoring(kind, olderBackup))
			await(t, n, "it serves", func(s statusapi.Status) bool { return s.Stores[0].State == statusapi.StoreServing })
			for i := range 5 {
				if err := theMaster(t, n).Erase(t.Context(), data.Count(uint64(i))); err != nil {
					t.Fatal(err)
				}
			}
			closeNode(t, n)
			n = backupNode(t, dir, root)
			apply(t, n, restoring(kind, olderBackup))
			await(t, n, "it is still refused", func(s statusapi.Status) bool {
				return restoreOf(s).Refused && s.Stores[0].State == statusapi.StoreServing && s.Stores[0].Entries == 0
			})

			// An empty store takes another one, as a new history of a later epoch than it was to have.
			c = restoring(kind, newerBackup)
			c.Stores[0].Epoch = 7
			apply(t, n, c)
			if s := hasBegun(t, n, newerBackup, 5); s.History == first.History || s.Epoch != 7 {
				t.Errorf("history %s after %s, epoch %d", s.History, first.History, s.Epoch)
			}
		})
	}
}

// TestRestoreFails serves nothing while the backup can't be read, says which and why, and begins with it when it can.
func TestRestoreFails(t *testing.T) {
	whole := packedBackup(t, 20)
	for name, test := range map[string]struct {
		files  map[string][]byte
		file   string
		change func(*nodeconfig.Store)
		words  []string
	}{
		"no such file": {nil, olderBackup, nil, []string{"claim/s/" + olderBackup, "no such file"}},
		"no backup":    {nil, "", nil, []string{"claim/s", "there is no backup in the folder"}},
		"cut off":      {map[string][]byte{olderBackup: whole[:len(whole)-40]}, "", nil, []string{olderBackup, "damaged"}},
		"no gzip":      {map[string][]byte{olderBackup: []byte("text")}, "", nil, []string{olderBackup, "damaged"}},
		"too large an entry": {map[string][]byte{olderBackup: largeBackup(t)}, "", func(s *nodeconfig.Store) { s.EntryBytes = 1 << 10 },
			[]string{olderBackup, "line 2", "an entry of 20", "allowed: 1024"}},
		"more than the memory": {map[string][]byte{olderBackup: packedBackup(t, 1500)}, "",
			func(s *nodeconfig.Store) { s.Backend, s.MemoryBytes = nodeconfig.BackendMemory, 64<<10 }, []string{olderBackup, "line ", "as much as it may"}},
	} {
		t.Run(name, func(t *testing.T) {
			root, dir := vault(t, test.files), t.TempDir()
			n := backupNode(t, dir, root)
			c := restoring(nodeconfig.BackendSQLite, test.file)
			if test.change != nil {
				test.change(&c.Stores[0])
			}
			apply(t, n, c)
			s := await(t, n, "it fails", func(s statusapi.Status) bool {
				return restoreOf(s).Error != "" && s.Stores[0].State == statusapi.StoreFailed
			})
			for _, words := range test.words {
				if got := restoreOf(s).Error; !strings.Contains(got, words) {
					t.Errorf("%q doesn't say %q", got, words)
				}
			}
			if err := os.WriteFile(filepath.Join(root, "claim", "s", olderBackup), packedBackup(t, 3), 0o600); err != nil {
				t.Fatal(err)
			}
			hasBegun(t, n, olderBackup, 3)
		})
	}
}

func largeBackup(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	w, err := export.NewWriter(packed, "s")
	if err == nil {
		err = w.Put(backend.Entry{Key: data.Count(1), Value: data.String(strings.Repeat("x", 2000)), Deadline: backend.Never})
	}
	for _, done := range []func() error{w.Close, packed.Close} {
		if err == nil {
			err = done()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestRestoreWithoutFolder waits for a pod that has the volume.
func TestRestoreWithoutFolder(t *testing.T) {
	n := newNode(t, t.TempDir())
	apply(t, n, restoring(nodeconfig.BackendSQLite, ""))
	await(t, n, "it says so", func(s statusapi.Status) bool { return strings.Contains(restoreOf(s).Error, "no folder for backups") })
}

// TestRestoreInterrupted finds half a backup in the database, which an earlier process has left: it goes, and the backup is read anew, or
// the store begins without it if that is no longer wanted.
func TestRestoreInterrupted(t *testing.T) {
	root := vault(t, map[string][]byte{olderBackup: packedBackup(t, 3)})
	for name, test := range map[string]struct {
		c       nodeconfig.Config
		entries int64
	}{
		"still wanted": {restoring(nodeconfig.BackendSQLite, ""), 3},
		"not wanted": {func() nodeconfig.Config {
			c := config("a")
			c.Stores = []nodeconfig.Store{master("s", nodeconfig.BackendSQLite)}
			return c
		}(), 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := storePath(dir, test.c.Stores[0])
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			be, err := sqlite.Open(path, sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			err = inTurn(
				func() error { return be.SetMeta(metaRestoring, []byte{1}) },
				func() error {
					return be.Put(backend.Entry{Key: data.String("half"), Value: data.None(), Deadline: backend.Never})
				},
				be.Commit, be.Close,
			)
			if err != nil {
				t.Fatal(err)
			}
			n := backupNode(t, dir, root)
			apply(t, n, test.c)
			await(t, n, "it has what it should", func(s statusapi.Status) bool {
				return s.Stores[0].State == statusapi.StoreServing && s.Stores[0].Entries == test.entries
			})
			if _, err := theMaster(t, n).Get(t.Context(), data.String("half")); err == nil {
				t.Error("a part of the half is there")
			}
		})
	}
}

// TestRestoreTellsClones: the master's volume was lost, and its store begins with a backup. A clone is told that this is another history,
// and keeps what it has until somebody decides.
func TestRestoreTellsClones(t *testing.T) {
	a, b := backupNode(t, t.TempDir(), vault(t, map[string][]byte{olderBackup: packedBackup(t, 5)})), newNode(t, t.TempDir())
	ca, cb := config("a"), config("b")
	ca.Stores = []nodeconfig.Store{master("s", nodeconfig.BackendSQLite)}
	cb.Stores = []nodeconfig.Store{{Object: "s", StoreName: "s", Role: nodeconfig.RoleClone}}
	apply(t, a, ca)
	cb.Peers = []nodeconfig.Peer{{Name: "b-a", Address: port(t, a, "broker")}}
	apply(t, b, cb)
	await(t, b, "synced", stands(statusapi.StoreSynced, 1))
	put(t, theMaster(t, a), 0, 7)
	soon(t, "all entries at the clone", func() bool { return b.Status().Stores[0].Entries == 7 })
	before := a.Status().Stores[0].History

	ca.Stores[0].Remove = true
	apply(t, a, ca)
	await(t, a, "the files are gone", func(s statusapi.Status) bool { return s.Stores[0].State == statusapi.StoreRemoved })
	ca.Stores = restoring(nodeconfig.BackendSQLite, "").Stores
	apply(t, a, ca)
	if s := hasBegun(t, a, olderBackup, 5); s.History == before {
		t.Error("it goes on with the old history")
	}
	s := await(t, b, "the clone is told", func(s statusapi.Status) bool { return s.Stores[0].NewHistory }).Stores[0]
	if s.Entries != 7 {
		t.Errorf("the clone has %d entries", s.Entries)
	}
}
