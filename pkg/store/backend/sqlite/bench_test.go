// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// BenchmarkPut looks keys up and puts entries, as a master does, in transactions of several sizes: with new keys, in order, and with known
// ones all over the file.
func BenchmarkPut(b *testing.B) {
	for _, o := range []Options{{JournalMode: Delete, Synchronous: Full}, {JournalMode: WAL, Synchronous: Normal}} {
		for _, group := range []int{256, 4096} {
			for _, known := range []uint64{0, 100_000} {
				b.Run(fmt.Sprintf("%s/%d/known=%d", o.JournalMode, group, known), func(b *testing.B) {
					s, err := Open(filepath.Join(b.TempDir(), "x"), o)
					if err != nil {
						b.Fatal(err)
					}
					defer s.Close()
					for i := range known {
						putOne(b, s, i)
					}
					if err := s.Commit(); err != nil {
						b.Fatal(err)
					}
					b.ReportAllocs()
					b.ResetTimer()
					for i := range b.N {
						key := uint64(i)
						if known > 0 {
							key = mix(key) % known
						}
						putOne(b, s, key)
						if i%group == group-1 {
							if err := s.Commit(); err != nil {
								b.Fatal(err)
							}
						}
					}
				})
			}
		}
	}
}

func putOne(b *testing.B, s *Backend, i uint64) {
	key := data.Count(i)
	if _, _, err := s.Get(key); err != nil {
		b.Fatal(err)
	}
	e := backend.Entry{Key: key, Value: data.Vector(data.String("value"), data.Count(i)), Deadline: backend.Never}
	if err := s.Put(e); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkGet(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "x"), Options{Synchronous: Off})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const n = 100_000
	for i := range uint64(n) {
		putOne(b, s, i)
	}
	if err := s.Commit(); err != nil {
		b.Fatal(err)
	}
	for what, from := range map[string]uint64{"there": 0, "missing": n} {
		b.Run(what, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				if _, ok, err := s.Get(data.Count(from + mix(uint64(i))%n)); ok != (from == 0) || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

// BenchmarkOpen opens a file of 200,000 entries, all of which are compared with their checksums.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "x")
	for i := range b.N + 1 {
		s, err := Open(path, Options{Synchronous: Off})
		if err != nil {
			b.Fatal(err)
		}
		for k := range uint64(200_000) {
			if i == 0 {
				putOne(b, s, k)
			}
		}
		if err := errors.Join(s.Commit(), s.Close()); err != nil {
			b.Fatal(err)
		}
		if i == 0 {
			b.ResetTimer()
		}
	}
}
