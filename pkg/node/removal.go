// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// removed stands for a store of which the node shall have nothing.
type removed struct{}

// Status is that of nothing.
func (removed) Status() store.Status { return store.Status{} }

// Changed is never closed.
func (removed) Changed() <-chan struct{} { return nil }

// Close does nothing.
func (removed) Close() error { return nil }

// besideStore matches what the names of files beside a store's own have behind its name: those of SQLite, and copies from before a change
// of format. Nothing else may match: another store's name can begin with all of this one's.
var besideStore = regexp.MustCompile(`^(|-journal|-wal|-shm|-mark|\.format[0-9]+(|-wal)|\.layout[0-9]+-format[0-9]+\.backup)$`)

// removeFiles removes what masters of a config have left in the data folder. To do it again does nothing.
func (e *engine) removeFiles(r *runningStore, c nodeconfig.Store) (handle, error) {
	if e.o.DataDir == "" || c.Backend == nodeconfig.BackendMemory {
		return removed{}, nil
	}
	path := storePath(e.o.DataDir, c)
	files, err := os.ReadDir(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return removed{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("remove the store's files: %w", err)
	}
	name, found := filepath.Base(path), 0
	for _, f := range files {
		if len(f.Name()) < len(name) || f.Name()[:len(name)] != name || !besideStore.MatchString(f.Name()[len(name):]) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(filepath.Dir(path), f.Name())); err != nil {
			return nil, fmt.Errorf("remove the store's files: %w", err)
		}
		found++
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("remove the store's files: %w", err)
	}
	r.log.Info("the store's files are removed", "files", found)
	return removed{}, nil
}
