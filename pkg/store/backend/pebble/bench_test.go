// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"bytes"
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

var entriesFlag = flag.Int("entries", 100_000, "how many entries BenchmarkLarge makes")

// BenchmarkPut is what a master does for a put, 512 in a commit: with new keys in ascending order, with new keys in no order, and with
// keys that are there.
func BenchmarkPut(b *testing.B) {
	for _, kind := range []struct {
		name string
		key  func(i uint64) data.Value
	}{
		{"Ascending", data.Count},
		{"Scattered", func(i uint64) data.Value { return data.Count(i * 0x9e3779b97f4a7c15) }},
		{"Again", func(i uint64) data.Value { return data.Count(i % 1000 * 0x9e3779b97f4a7c15) }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			s, err := Open(b.TempDir(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			b.ReportAllocs()
			b.ResetTimer()
			for i := range uint64(b.N) {
				putOne(b, s, kind.key(i), data.Vector(data.String("value"), data.Count(i)))
				if i%512 == 511 {
					commitBench(b, s)
				}
			}
			commitBench(b, s)
		})
	}
}

func putOne(b *testing.B, s *Backend, key, value data.Value) {
	if _, _, err := s.Get(key); err != nil {
		b.Fatal(err)
	}
	if err := s.Put(backend.Entry{Key: key, Value: value, Deadline: backend.Never}); err != nil {
		b.Fatal(err)
	}
}

func commitBench(b *testing.B, s *Backend) {
	if err := s.Commit(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLarge makes a store of entries of 100 bytes, opens it again, and reports how long opening took and what is resident. Run it
// with -benchtime 1x -entries N.
func BenchmarkLarge(b *testing.B) {
	for range b.N {
		dir := b.TempDir()
		began := time.Now()
		s, err := Open(dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		payload := data.String(strings.Repeat("x", 100-9-2))
		for i := range uint64(*entriesFlag) {
			putOne(b, s, data.Count(i*0x9e3779b97f4a7c15), payload)
			if i%2000 == 1999 {
				commitBench(b, s)
			}
		}
		commitBench(b, s)
		b.ReportMetric(float64(*entriesFlag)/time.Since(began).Seconds(), "puts/s")
		b.ReportMetric(resident(b), "MB-filled")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		began = time.Now()
		if s, err = Open(dir, Options{}); err != nil {
			b.Fatal(err)
		}
		for e, err := range s.Expiring() {
			b.Fatal(e, err)
		}
		b.ReportMetric(time.Since(began).Seconds(), "s-open")
		b.ReportMetric(resident(b), "MB-opened")
		if n := s.Size().Entries; n != int64(*entriesFlag) {
			b.Fatalf("%d entries", n)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// resident is the most memory that the process had, in megabytes.
func resident(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatalf("resident memory is read from /proc, as Linux has it: %v", err)
	}
	_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
	kib, err := strconv.Atoi(string(bytes.Fields(after)[0]))
	if err != nil {
		b.Fatal(err)
	}
	return float64(kib) / 1024
}
