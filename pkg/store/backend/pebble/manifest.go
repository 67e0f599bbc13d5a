// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble's manifest lists the tables. On opening, Pebble takes a damaged record for the torn end of the file and goes on without the
// tables behind it. So the mark also knows how long the manifest was when it was synced last, and the checksum of that much of it.

const (
	manifestPrefix = "MANIFEST-"
	sumMagic       = 0x424d4d46 // BMMF
	sumSize        = 28
	// sumsAt is where the mark has two places for sums.
	sumsAt = 2 * markDistance
)

// sum is what is known of a manifest: its number, and the checksum of its first bytes.
type sum struct {
	number, length uint64
	crc            uint32
}

// manifestNumber is the number in the name of a manifest; ok is false for other files.
func manifestNumber(name string) (number uint64, ok bool) {
	digits, ok := strings.CutPrefix(filepath.Base(name), manifestPrefix)
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, err == nil
}

func (s *sum) add(p []byte) {
	s.length += uint64(len(p))
	s.crc = crc32.Update(s.crc, castagnoli, p)
}

func (s *sum) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, sumMagic)
	dst = binary.BigEndian.AppendUint64(dst, s.number)
	dst = binary.BigEndian.AppendUint64(dst, s.length)
	dst = binary.BigEndian.AppendUint32(dst, s.crc)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst, castagnoli))
}

func parseSum(b []byte) (s sum, ok bool) {
	if len(b) != sumSize || binary.BigEndian.Uint32(b) != sumMagic ||
		binary.BigEndian.Uint32(b[sumSize-4:]) != crc32.Checksum(b[:sumSize-4], castagnoli) {
		return sum{}, false
	}
	return sum{binary.BigEndian.Uint64(b[4:]), binary.BigEndian.Uint64(b[12:]), binary.BigEndian.Uint32(b[20:])}, true
}

// setSum writes down what was synced, in two places in turn.
func (m *mark) setSum(s *sum) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.sums++
	_, err := m.file.WriteAt(s.append(nil), sumsAt+int64(m.sums%2)*markDistance)
	return err
}

// sumOf is the longest that is known of a manifest. Of others the mark may know more, if the power was lost.
func (m *mark) sumOf(number uint64) (found sum, err error) {
	for i := range 2 {
		b := make([]byte, sumSize)
		n, err := m.file.ReadAt(b, sumsAt+int64(i)*markDistance)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return sum{}, err
		}
		if s, ok := parseSum(b[:n]); ok && s.number == number && s.length > found.length {
			found = s
			m.sums = i // the next one goes to the other place
		}
	}
	return found, nil
}

// checkManifest compares a manifest with what the mark knows of it.
func (m *mark) checkManifest(fs vfs.FS, path string) error {
	number, ok := manifestNumber(path)
	if !ok {
		return nil
	}
	want, err := m.sumOf(number)
	if err != nil || want.length == 0 {
		return err
	}
	f, err := fs.Open(path)
	if err != nil {
		return err
	}
	got := sum{number: number}
	buf := make([]byte, 64<<10)
	for got.length < want.length && err == nil {
		var n int
		n, err = f.Read(buf[:min(uint64(len(buf)), want.length-got.length)])
		got.add(buf[:n])
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return errors.Join(err, f.Close())
	}
	if got != want {
		err = fmt.Errorf("%w: %s is not as it was written", errDamaged, filepath.Base(path))
	} else {
		err = nil
	}
	return errors.Join(err, f.Close())
}
