// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// markName is the file that knows how many commits were acknowledged.
const markName = "brokermesh.mark"

const (
	markMagic = 0x424d4d4b // BMMK
	markSize  = 16
	// markDistance keeps the two places of the number in different sectors.
	markDistance = 4096
)

// mark is the number of acknowledged commits, kept outside of Pebble. It is written in two places in turn, so that a torn write leaves
// the number before. It is not synced: after a loss of power it may be behind, but never ahead of what Pebble had synced before.
type mark struct {
	file vfs.File
	// writing lets one goroutine write at a time: the one that commits, or one of Pebble that syncs a manifest.
	writing sync.Mutex
	buf     [markSize]byte
	// sums counts the sums of manifests that were written.
	sums int
}

// openMark opens or makes the file.
func openMark(fs vfs.FS, path string) (*mark, error) {
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	return &mark{file: f}, nil
}

// read is the highest number of the places, 0 in a new file. A place that holds nothing was not written yet, or the power was lost; one
// that is damaged is a write that was torn. Damage in both is refused.
func (m *mark) read() (commits uint64, err error) {
	damaged := 0
	for i := range 2 {
		n, err := m.file.ReadAt(m.buf[:], int64(i*markDistance))
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, err
		}
		if m.buf == [markSize]byte{} || n == 0 {
			continue
		}
		c, ok := parseMark(m.buf[:n])
		if !ok {
			damaged++
		}
		commits = max(commits, c)
		m.buf = [markSize]byte{}
	}
	if damaged == 2 {
		return 0, fmt.Errorf("%w: %s", errDamaged, markName)
	}
	return commits, nil
}

func parseMark(b []byte) (commits uint64, ok bool) {
	if len(b) != markSize || binary.BigEndian.Uint32(b) != markMagic ||
		binary.BigEndian.Uint32(b[12:]) != crc32.Checksum(b[:12], castagnoli) {
		return 0, false
	}
	return binary.BigEndian.Uint64(b[4:]), true
}

// set writes the number of commits.
func (m *mark) set(commits uint64) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	b := m.buf[:]
	binary.BigEndian.PutUint32(b, markMagic)
	binary.BigEndian.PutUint64(b[4:], commits)
	binary.BigEndian.PutUint32(b[12:], crc32.Checksum(b[:12], castagnoli))
	_, err := m.file.WriteAt(b, int64(commits%2*markDistance))
	return err
}

func (m *mark) close() error { return m.file.Close() }
