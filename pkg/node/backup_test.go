// SPDX-License-Identifier: Apache-2.0

package node

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/export"
)

// backedUp reads a backup.
func backedUp(t *testing.T, path string) (n int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := export.Read(unpacked, func(backend.Entry) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// clocked is a node that makes backups by a clock of the test's.
func clocked(t *testing.T, dataDir, backupDir string, at time.Time) (n *Node, ahead func(time.Duration)) {
	t.Helper()
	var now atomic.Int64
	now.Store(at.UnixNano())
	n = New(Options{DataDir: dataDir, BackupDir: backupDir, ListenHost: "127.0.0.1", EphemeralPorts: true, Version: "test",
		now: func() time.Time { return time.Unix(0, now.Load()) }})
	t.Cleanup(func() { closeNode(t, n) })
	return n, func(d time.Duration) {
		now.Add(int64(d))
		theStore(t, n).backups.turned()
	}
}

func backupOf(s statusapi.Status) statusapi.Backup {
	if len(s.Stores) != 1 || s.Stores[0].Backup == nil {
		return statusapi.Backup{}
	}
	return *s.Stores[0].Backup
}

func last(file string) func(statusapi.Status) bool {
	return func(s statusapi.Status) bool { return backupOf(s).File == file && backupOf(s).Next != nil }
}

// TestBackups makes backups by a schedule, keeps the newest, and makes up for one that was missed while the node was away.
func TestBackups(t *testing.T) {
	dir, vault := t.TempDir(), t.TempDir()
	folder := filepath.Join(vault, "claim", "s")
	n, ahead := clocked(t, dir, vault, time.Date(2026, 3, 1, 11, 30, 0, 0, time.UTC))
	c := config("a")
	c.Stores = []nodeconfig.Store{master("s", nodeconfig.BackendSQLite)}
	apply(t, n, c)
	await(t, n, "the master serves", stands(statusapi.StoreServing, 1))
	m := theMaster(t, n)
	put(t, m, 0, 3)
	if n.Status().Stores[0].Backup != nil {
		t.Error("a backup that nobody wants")
	}

	// The running master takes a schedule, and another one.
	c.Stores[0].BackupSchedule, c.Stores[0].BackupClaim, c.Stores[0].BackupKeep = "@daily", "claim", 2
	apply(t, n, c)
	await(t, n, "tomorrow", func(s statusapi.Status) bool { next := backupOf(s).Next; return next != nil && next.Day() == 2 })
	c.Stores[0].BackupSchedule = "0 * * * *"
	apply(t, n, c)
	await(t, n, "at twelve", func(s statusapi.Status) bool { next := backupOf(s).Next; return next != nil && next.UTC().Hour() == 12 })
	if theMaster(t, n) != m {
		t.Error("another master")
	}
	ahead(30 * time.Minute)
	await(t, n, "the first", last("20260301T120000Z.jsonl.gz"))
	if got := backedUp(t, filepath.Join(folder, "20260301T120000Z.jsonl.gz")); got != 3 {
		t.Errorf("%d entries", got)
	}
	put(t, m, 3, 5)
	ahead(time.Hour)
	await(t, n, "the second", last("20260301T130000Z.jsonl.gz"))
	if err := m.Erase(t.Context(), data.Count(0)); err != nil {
		t.Fatal(err)
	}
	ahead(time.Hour)
	await(t, n, "the third", last("20260301T140000Z.jsonl.gz"))
	if got := backedUp(t, filepath.Join(folder, "20260301T140000Z.jsonl.gz")); got != 4 {
		t.Errorf("%d entries", got)
	}
	wantFiles(t, folder, "20260301T130000Z.jsonl.gz", "20260301T140000Z.jsonl.gz")
	closeNode(t, n)

	n, _ = clocked(t, dir, vault, time.Date(2026, 3, 2, 9, 10, 5, 0, time.UTC))
	apply(t, n, c)
	await(t, n, "one for those that were missed", last("20260302T091005Z.jsonl.gz"))
	wantFiles(t, folder, "20260301T140000Z.jsonl.gz", "20260302T091005Z.jsonl.gz")
}

func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range list {
		names = append(names, f.Name())
	}
	if !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
}

// TestBackupFails says why a backup failed, keeps those that are there, and tries again.
func TestBackupFails(t *testing.T) {
	vault := t.TempDir()
	claim := filepath.Join(vault, "claim")
	if err := os.WriteFile(claim, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n, ahead := clocked(t, t.TempDir(), vault, time.Date(2026, 3, 1, 11, 59, 0, 0, time.UTC))
	c := config("a")
	c.Stores = []nodeconfig.Store{master("s", nodeconfig.BackendMemory)}
	c.Stores[0].BackupSchedule, c.Stores[0].BackupClaim, c.Stores[0].BackupKeep = "@hourly", "claim", 1
	apply(t, n, c)
	await(t, n, "it waits", func(s statusapi.Status) bool { return backupOf(s).Next != nil })
	ahead(time.Minute)
	await(t, n, "it fails", func(s statusapi.Status) bool { return backupOf(s).Failed != nil && backupOf(s).Error != "" })
	if err := os.Remove(claim); err != nil {
		t.Fatal(err)
	}
	ahead(backupAgain)
	s := await(t, n, "it is tried again", last("20260301T120500Z.jsonl.gz"))
	if b := backupOf(s); b.Failed != nil || b.Error != "" {
		t.Errorf("%+v", b)
	}
	for schedule, words := range map[string]string{"61 * * * *": "above maximum", "0 0 30 2 *": "no such time ever comes"} {
		c.Stores[0].BackupSchedule = schedule
		apply(t, n, c)
		await(t, n, schedule, func(s statusapi.Status) bool { return strings.Contains(backupOf(s).Error, words) })
	}
}
