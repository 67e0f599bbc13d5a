// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// Bounds of scans.
const (
	// maxCursors is how many scans there are at a time, cursorLease how long one may rest between two pages.
	maxCursors  = 16
	cursorLease = 30 * time.Second
	// maxPageBytes and maxPageEntries end a page; one entry is always in it.
	maxPageBytes   = 256 << 10
	maxPageEntries = 8192
	// Numbers of buckets that may be asked for.
	minBuckets, maxBuckets = 1, 1 << 16
)

// scanWhat is what a scan yields.
type scanWhat uint64

const (
	scanEntries scanWhat = iota // all entries
	scanKeys                    // all keys
	scanBucket                  // the entries of one bucket
)

// cursor is a scan under way.
type cursor struct {
	// opening is the question that began the scan, begun its answer; they belong to asks.mu.
	opening         askKey
	begun           []data.Value
	what            scanWhat
	buckets, bucket uint64
	// until is when the lease ends; it belongs to asks.mu.
	until time.Time

	mu struct {
		sync.Mutex
		snapshot *Snapshot
		next     func() (backend.Entry, error, bool)
		stop     func()
		// waiting is an entry that did not fit into the page before.
		waiting *backend.Entry
		// page is the number of the last page, answer what was answered.
		page   uint64
		answer []data.Value
	}
}

// readMany answers questions about many entries.
func (a *asks) readMany(from askKey, op operation, in *args) ([]data.Value, error) {
	switch op {
	case opSize:
		size, err := a.ops.Size(a.ctx)
		if err != nil {
			return nil, err
		}
		return []data.Value{data.Count(uint64(size.Entries)), data.Count(uint64(size.Bytes))}, nil
	case opChecksums:
		return a.checksums(in)
	case opWatch:
		return a.watch(in)
	case opScan:
		return a.scan(from, in)
	case opPage, opEndScan:
		id := in.count()
		c, err := a.cursor(id, op == opEndScan)
		if err != nil || in.err != nil {
			return nil, firstOf(in.err, err)
		}
		if op == opEndScan {
			c.close()
			return nil, nil
		}
		page := in.count()
		if in.err != nil {
			return nil, in.err
		}
		return c.turn(page)
	default:
		return nil, errBadQuestion
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// scan begins a scan.
func (a *asks) scan(from askKey, in *args) ([]data.Value, error) {
	if begun := a.begun(from); begun != nil {
		return begun, nil
	}
	c := &cursor{opening: from, what: scanWhat(in.count()), buckets: in.count(), bucket: in.count()}
	if in.err != nil {
		return nil, in.err
	}
	if c.what > scanBucket || c.what == scanBucket && (c.buckets < minBuckets || c.buckets > maxBuckets || c.bucket >= c.buckets) {
		return nil, fmt.Errorf("%w: bucket %d of %d", errBadQuestion, c.bucket, c.buckets)
	}
	id := newObject()
	if err := a.reserve(id, c); err != nil {
		return nil, err
	}
	snapshot, err := a.ops.Snapshot(a.ctx)
	if err != nil {
		a.cursor(id, true)
		return nil, err
	}
	c.open(snapshot)
	a.mu.Lock()
	defer a.mu.Unlock()
	c.begun = []data.Value{data.Count(id), data.Count(snapshot.Number()), data.Count(uint64(snapshot.Size().Entries))}
	return c.begun, nil
}

// begun is the answer to a question that has begun a scan already.
func (a *asks) begun(by askKey) []data.Value {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.mu.cursors {
		if c.opening == by {
			return c.begun
		}
	}
	return nil
}

// open gives the cursor what it reads from.
func (c *cursor) open(snapshot *Snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.snapshot = snapshot
	c.mu.next, c.mu.stop = iter.Pull2(snapshot.Entries())
}

// reserve makes room for a cursor.
func (a *asks) reserve(id uint64, c *cursor) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.closed || len(a.mu.cursors) >= maxCursors {
		return errBusy
	}
	c.until = time.Now().Add(cursorLease)
	a.mu.cursors[id] = c
	if len(a.mu.cursors) == 1 {
		a.running.Go(a.sweep)
	}
	return nil
}

// sweep ends cursors whose lease is over, until there are none.
func (a *asks) sweep() {
	ticker := time.NewTicker(cursorLease / 8)
	defer ticker.Stop()
	for {
		select {
		case <-a.ctx.Done():
			return
		case now := <-ticker.C:
			if a.endLeases(now) == 0 {
				return
			}
		}
	}
}

// endLeases ends what is over by now, and answers how many cursors are left.
func (a *asks) endLeases(now time.Time) int {
	var over []*cursor
	a.mu.Lock()
	for id, c := range a.mu.cursors {
		if now.After(c.until) {
			over = append(over, c)
			delete(a.mu.cursors, id)
		}
	}
	left := len(a.mu.cursors)
	a.mu.Unlock()
	for _, c := range over {
		c.close()
	}
	return left
}

func (a *asks) closeCursors() { a.endLeases(time.Now().Add(2 * cursorLease)) }

// cursor finds a cursor and renews its lease, or takes it away.
func (a *asks) cursor(id uint64, remove bool) (*cursor, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.mu.cursors[id]
	if c == nil {
		return nil, errNoCursor
	}
	c.until = time.Now().Add(cursorLease)
	if remove {
		delete(a.mu.cursors, id)
	}
	return c, nil
}

func (c *cursor) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.snapshot != nil {
		c.mu.stop()
		c.mu.snapshot.Close()
		c.mu.snapshot = nil
	}
}

// turn answers the page with a number: the last one again, or the one after it.
func (c *cursor) turn(page uint64) ([]data.Value, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.mu.snapshot == nil:
		return nil, errNoCursor
	case page == c.mu.page && page > 0:
		return c.mu.answer, nil
	case page != c.mu.page+1:
		return nil, fmt.Errorf("%w: page %d after %d", errBadQuestion, page, c.mu.page)
	}
	answer, err := c.fillLocked()
	if err != nil {
		return nil, err
	}
	c.mu.page, c.mu.answer = page, answer
	return answer, nil
}

func (c *cursor) fillLocked() ([]data.Value, error) {
	answer := []data.Value{data.Boolean(true)}
	bytes, entries := 0, 0
	var key []byte
	for {
		e, err, ok := c.nextLocked()
		if err != nil || !ok {
			return answer, err
		}
		if c.what == scanBucket {
			key = e.Key.AppendBinary(key[:0])
			if bucketOf(key, c.buckets) != c.bucket {
				continue
			}
		}
		size := e.Key.BinarySize()
		if c.what != scanKeys {
			size += e.Value.BinarySize() + 9
		}
		if entries > 0 && (bytes+size > maxPageBytes || entries >= maxPageEntries) {
			c.mu.waiting = &e
			answer[0] = data.Boolean(false)
			return answer, nil
		}
		bytes, entries = bytes+size, entries+1
		if answer = append(answer, e.Key); c.what != scanKeys {
			answer = append(answer, e.Value, deadlineArg(e.Deadline))
		}
	}
}

func (c *cursor) nextLocked() (backend.Entry, error, bool) {
	if e := c.mu.waiting; e != nil {
		c.mu.waiting = nil
		return *e, nil, true
	}
	return c.mu.next()
}

// deadlineArg is a deadline as a timestamp, or none.
func deadlineArg(d backend.Deadline) data.Value {
	if d == backend.Never {
		return data.None()
	}
	return data.TimestampNanos(int64(d))
}

// bucketOf is the bucket of an encoded key. How keys and entries are hashed is part of the protocol.
func bucketOf(key []byte, buckets uint64) uint64 { return xxhash.Sum64(key) % buckets }

// checksums are the sums of the hashes of the entries in each bucket: keys and values, encoded, without deadlines.
func (a *asks) checksums(in *args) ([]data.Value, error) {
	buckets := in.count()
	if in.err != nil || buckets < minBuckets || buckets > maxBuckets {
		return nil, firstOf(in.err, fmt.Errorf("%w: %d buckets", errBadQuestion, buckets))
	}
	c, id := &cursor{}, newObject()
	if err := a.reserve(id, c); err != nil {
		return nil, err
	}
	defer a.cursor(id, true)
	snapshot, err := a.ops.Snapshot(a.ctx)
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	sums, err := sumsOf(snapshot.Entries(), buckets)
	if err != nil {
		return nil, err
	}
	text := make([]byte, 0, 8*len(sums))
	for _, s := range sums {
		text = binary.BigEndian.AppendUint64(text, s)
	}
	return []data.Value{data.Count(snapshot.Number()), data.String(string(text)), data.Count(uint64(snapshot.Size().Entries))}, nil
}

// sumsOf are the checksums of entries by bucket.
func sumsOf(entries iter.Seq2[backend.Entry, error], buckets uint64) ([]uint64, error) {
	sums := make([]uint64, buckets)
	var b []byte
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		b = e.Key.AppendBinary(b[:0])
		bucket := bucketOf(b, buckets)
		sums[bucket] += xxhash.Sum64(e.Value.AppendBinary(b))
	}
	return sums, nil
}
