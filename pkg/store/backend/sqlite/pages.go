// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	sqlite3 "github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// walHeader and frameHeader are what precedes the first frame of a write-ahead log, and each page in it.
const (
	walHeader   = 32
	frameHeader = 24
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pagedFile is a database or its write-ahead log. It knows a checksum of each page that was read or written since the file was opened, and
// doesn't hand out one that has changed on the disk since: SQLite would look for keys in it, and not find them. Four bytes a page.
type pagedFile struct {
	vfs.File
	log bool
	// size is that of a page, 0 until it is known; sums are by the number of the page, 0 is unknown.
	size int64
	sums []uint32
}

// Unwrap is the file below.
func (f *pagedFile) Unwrap() vfs.File { return f.File }

// learn takes the size of pages from a header, which is at the front of the file.
func (f *pagedFile) learn(p []byte, at int64) {
	if at != 0 || len(p) < walHeader {
		return
	}
	size := int64(binary.BigEndian.Uint16(p[16:]))
	if f.log {
		size = int64(binary.BigEndian.Uint32(p[8:]))
	}
	if size == 1 {
		size = 1 << 16
	}
	if size >= 512 && size <= 1<<16 && size&(size-1) == 0 && size != f.size {
		f.size, f.sums = size, nil
	}
}

// page is the number of the page that lies at an offset, false for what isn't a page.
func (f *pagedFile) page(length int, at int64) (int64, bool) {
	if f.size == 0 || int64(length) != f.size {
		return 0, false
	}
	stride := f.size
	if f.log {
		at -= walHeader + frameHeader
		stride += frameHeader
	}
	return at / stride, at >= 0 && at%stride == 0
}

// ReadAt reads, and compares.
func (f *pagedFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(p, at)
	if err != nil && err != io.EOF || n < len(p) {
		return n, err
	}
	f.learn(p, at)
	number, ok := f.page(n, at)
	if !ok {
		return n, err
	}
	sum := checksumOf(p)
	if number < int64(len(f.sums)) && f.sums[number] != 0 {
		if f.sums[number] != sum {
			return 0, sqlite3.IOERR_DATA
		}
		return n, err
	}
	f.note(number, sum)
	return n, err
}

// WriteAt writes, and notes what was written. What a failed write has left is not known.
func (f *pagedFile) WriteAt(p []byte, at int64) (int, error) {
	f.learn(p, at)
	n, err := f.File.WriteAt(p, at)
	if number, ok := f.page(len(p), at); ok {
		sum := checksumOf(p)
		if err != nil || n < len(p) {
			sum = 0
		}
		f.note(number, sum)
	} else {
		f.forget(at, int64(len(p)))
	}
	return n, err
}

// Truncate changes the size. What is beyond it is no longer known.
func (f *pagedFile) Truncate(size int64) error {
	f.sums = f.sums[:min(int64(len(f.sums)), max(size/max(f.size, 512)-1, 0))]
	return f.File.Truncate(size)
}

// forget is for writes of other lengths than a page's: the pages that they touch are not known any more. In a log these are its header and
// those of frames.
func (f *pagedFile) forget(at, length int64) {
	if f.log || f.size == 0 {
		return
	}
	for number := at / f.size; number <= (at+length-1)/f.size && number < int64(len(f.sums)); number++ {
		f.sums[number] = 0
	}
}

func (f *pagedFile) note(number int64, sum uint32) {
	for number >= int64(len(f.sums)) {
		f.sums = append(f.sums, make([]uint32, max(int64(len(f.sums))/4, 256))...)
	}
	f.sums[number] = sum
}

// checksumOf is never 0.
func checksumOf(p []byte) uint32 { return max(crc32.Checksum(p, castagnoli), 1) }
