// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// ErrInUse says that another live node holds the endpoint ID of the data
// folder.
var ErrInUse = errors.New("another live node has the endpoint ID of this data folder")

// The files of the endpoint ID in a data folder.
const (
	idFile   = "endpoint-id"
	lockFile = "endpoint-id.lock"
)

// identity is the endpoint ID of a data folder, claimed for as long as the
// lock file is held. The nil identity is none.
type identity struct {
	endpoint data.EndpointID
	lock     *os.File
}

// mastersPersistent reports whether the config masters a store that outlives
// the process. Such a node keeps its endpoint ID: clones know their master by
// it.
func mastersPersistent(c nodeconfig.Config) bool {
	for _, s := range c.Stores {
		if s.Role == nodeconfig.RoleMaster && !s.Remove && (s.Backend == nodeconfig.BackendSQLite || s.Backend == nodeconfig.BackendPebble) {
			return true
		}
	}
	return false
}

// claimIdentity locks the folder and reads its ID. A folder without one gets
// the current ID, or a new one if that is zero; so does a folder whose ID
// belongs to an earlier process, when this one already runs under another.
func claimIdentity(dir string, current data.EndpointID) (_ *identity, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the data folder: %w", err)
	}
	i := &identity{endpoint: current, lock: lock}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.release())
		}
	}()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", dir, ErrInUse)
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	stored, err := readID(dir)
	switch {
	case err != nil:
		return nil, err
	case i.endpoint.IsZero() && !stored.IsZero():
		i.endpoint = stored
	case i.endpoint.IsZero():
		i.endpoint = data.NewEndpointID()
	}
	if i.endpoint != stored {
		err = writeFile(filepath.Join(dir, idFile), []byte(i.endpoint.String()+"\n"))
	}
	return i, err
}

// readID is the ID that the folder holds; zero if there is none.
func readID(dir string) (data.EndpointID, error) {
	text, err := os.ReadFile(filepath.Join(dir, idFile))
	if errors.Is(err, fs.ErrNotExist) {
		return data.EndpointID{}, nil
	}
	if err != nil {
		return data.EndpointID{}, fmt.Errorf("read the endpoint ID: %w", err)
	}
	id, err := data.ParseEndpointID(strings.TrimSpace(string(text)))
	if err != nil {
		return id, fmt.Errorf("%s: %w", filepath.Join(dir, idFile), err)
	}
	return id, nil
}

// id is the endpoint ID; zero, which means a random one, for no identity.
func (i *identity) id() data.EndpointID {
	if i == nil {
		return data.EndpointID{}
	}
	return i.endpoint
}

// release gives the folder free.
func (i *identity) release() error {
	if i == nil {
		return nil
	}
	return i.lock.Close()
}
