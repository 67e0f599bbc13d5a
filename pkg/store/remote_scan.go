// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// ScanOptions say what a scan yields.
type ScanOptions struct {
	// KeysOnly leaves the values out.
	KeysOnly bool
	// Buckets, if not 0, restricts the scan to the entries of one bucket of so many: see Checksums.
	Buckets, Bucket int
}

// Scan is a content as it was at one moment, read piece by piece. The frontend keeps it for 30 s after the last piece; it keeps 16 at a
// time, and those who want more wait. A Scan belongs to one goroutine.
type Scan struct {
	from   *Source
	id     uint64
	number uint64
	size   int
	opt    ScanOptions
	page   uint64
	done   bool
}

// Scan begins to read the whole content of the master.
func (r *Remote) Scan(ctx context.Context, o ScanOptions) (*Scan, error) {
	master, err := r.Master(ctx)
	if err != nil {
		return nil, err
	}
	return r.At(master).Scan(ctx, o)
}

// Number is how far the frontend was in the store's history: the content is that after this change.
func (s *Scan) Number() uint64 { return s.number }

// Len is the number of entries of the store, all buckets together.
func (s *Scan) Len() int { return s.size }

// Entries are the entries in any order, once. After an error there are no more.
func (s *Scan) Entries(ctx context.Context) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		for !s.done {
			s.page++
			got, err := s.from.query(ctx, opPage, data.Count(s.id), data.Count(s.page))
			if err != nil {
				s.done = true
				yield(backend.Entry{}, fmt.Errorf("store %s: page %d: %w", s.from.remote.name, s.page, err))
				return
			}
			in := args{rest: got.Values}
			s.done = in.boolean()
			for len(in.rest) > 0 && in.err == nil {
				e := backend.Entry{Key: in.value(), Deadline: backend.Never}
				if !s.opt.KeysOnly {
					e.Value = in.value()
					e.Deadline = in.deadline()
				}
				if in.err == nil && !yield(e, nil) {
					return
				}
			}
			if in.err != nil {
				s.done = true
				yield(backend.Entry{}, in.err)
				return
			}
		}
	}
}

// Close tells the frontend that the scan is over. Closing twice is fine.
func (s *Scan) Close() {
	s.from.tell(opEndScan, data.Count(s.id))
}

// deadline is a timestamp, or none for never.
func (a *args) deadline() backend.Deadline {
	v := a.value()
	if v.Kind() == data.KindNone {
		return backend.Never
	}
	ns, ok := v.AsTimestampNanos()
	a.wrong(ok)
	return backend.Deadline(ns)
}

// Checksums tell two contents apart without reading them. Entries are put into buckets by a hash of their keys; the sum of a bucket is
// that of the hashes of its entries, whatever their order. Deadlines don't count.
type Checksums struct {
	// Number is how far the frontend was in the store's history, Entries how many it had.
	Number  uint64
	Entries int
	// Sums are those of the buckets.
	Sums []uint64
}

// Differ are the buckets whose sums differ; the numbers of buckets must be equal.
func (c Checksums) Differ(other Checksums) []int {
	var buckets []int
	for i, sum := range c.Sums {
		if i >= len(other.Sums) || sum != other.Sums[i] {
			buckets = append(buckets, i)
		}
	}
	return buckets
}

func parseChecksums(values []data.Value) (c Checksums, err error) {
	in := args{rest: values}
	c.Number = in.count()
	sums := in.string()
	c.Entries = int(in.count())
	for ; len(sums) >= 8; sums = sums[8:] {
		c.Sums = append(c.Sums, binary.BigEndian.Uint64([]byte(sums[:8])))
	}
	return c, in.err
}

// BucketOf is the bucket of a key among so many, as Checksums and Scan count them.
func BucketOf(key data.Value, buckets int) int {
	return int(bucketOf(data.Canonical(key).AppendBinary(nil), uint64(buckets)))
}
