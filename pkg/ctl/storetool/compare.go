// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
	"github.com/brokermesh/brokermesh/pkg/store"
)

// Comparing.
const (
	// bucketEntries is how many entries a bucket shall have, about.
	bucketEntries = 64
	minBuckets    = 256
	maxBuckets    = 1 << 16
	// rounds is how often keys that differ are looked at again while the store
	// changes, with settle between.
	rounds = 10
	settle = 300 * time.Millisecond
)

// ErrDiffer: a clone's content is not its master's.
var ErrDiffer = errors.New("the contents differ")

// keyDiff is a key whose values differ. A missing value is none at all.
type keyDiff struct {
	key           data.Value
	master, clone *data.Value
}

// comparison is one clone beside its master.
type comparison struct {
	clone   store.Report
	entries int
	number  uint64
	buckets int
	diffs   []keyDiff
	// unstable are keys that changed every time they were looked at.
	unstable int
	err      error
}

// Verify compares the clones of a store with their master by checksums, and
// ends with ErrDiffer if one is not equal. What is under way to a clone is no
// difference. With keys it names what differs.
func Verify(ctx context.Context, o Options, keys, values bool) error {
	if o.File != "" {
		return o.verifyFile(ctx)
	}
	return o.with(ctx, func(t *target) error {
		if t.remote == nil {
			return fmt.Errorf("verify: %w: it has no checksums", store.ErrForeignMaster)
		}
		t.askNames(ctx)
		master, err := t.masterReport(ctx)
		if err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		clones, err := t.remote.Clones(ctx, gatherTime(o), master.Clones)
		if err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		var list []comparison
		for _, clone := range clones {
			c := comparison{clone: clone}
			c.err = t.compare(ctx, master, &c)
			list = append(list, c)
		}
		return t.showComparisons(master, list, keys, values)
	})
}

// Adopt tells the clones of a store that have met a new history to take it, and ends with ErrNoNewHistory if there is none.
func Adopt(ctx context.Context, o Options) error {
	return o.with(ctx, func(t *target) error {
		if t.remote == nil {
			return fmt.Errorf("adopt: %w: it has no history", store.ErrForeignMaster)
		}
		t.askNames(ctx)
		clones, err := t.remote.Clones(ctx, gatherTime(o), 0)
		if err != nil {
			return fmt.Errorf("adopt: %w", err)
		}
		adopted := 0
		for _, r := range clones {
			if r.NewHistory == "" {
				continue
			}
			where := at(reportDocument{Node: t.names[r.ID.Endpoint], Report: r})
			if err := t.step(ctx, func(ctx context.Context) error { return t.remote.At(r).Adopt(ctx, r.NewHistory) }); err != nil {
				return fmt.Errorf("adopt: the clone at %s: %w", where, err)
			}
			adopted++
			fmt.Fprintf(o.Out, "the clone at %s has taken history %s\n", where, r.NewHistory)
		}
		if adopted == 0 {
			return fmt.Errorf("adopt: no clone of store %s waits for it: %w", o.Name, store.ErrNoNewHistory)
		}
		return nil
	})
}

// gatherTime is how long to wait for reports of clones.
func gatherTime(o Options) time.Duration { return min(o.Timeout, 2*time.Second) }

// compare finds the differences of one clone.
func (t *target) compare(ctx context.Context, master store.Report, c *comparison) error {
	buckets := minBuckets
	for int64(buckets)*bucketEntries < master.Entries && buckets < maxBuckets {
		buckets *= 2
	}
	c.buckets = buckets
	at, there := t.remote.At(master), t.remote.At(c.clone)
	want, err := at.Checksums(ctx, buckets)
	if err != nil {
		return err
	}
	got, err := there.Checksums(ctx, buckets)
	if err != nil {
		return err
	}
	c.entries, c.number = got.Entries, got.Number
	return t.settleKeys(ctx, at, there, want.Differ(got), c)
}

// settleKeys looks at the buckets that differ until what is left is a
// difference for certain: the same values on both sides as the time before,
// while the clone has everything by now that the master had then.
func (t *target) settleKeys(ctx context.Context, at, there *store.Source, buckets []int, c *comparison) error {
	var before sighting
	for round := 0; len(buckets) > 0; round++ {
		now, err := t.diffBuckets(ctx, at, there, buckets, c.buckets)
		if err != nil {
			return err
		}
		stable := slices.DeleteFunc(slices.Clone(now.diffs), func(d keyDiff) bool {
			return now.clone < before.master || !slices.ContainsFunc(before.diffs, func(b keyDiff) bool { return sameDiff(b, d) })
		})
		if len(stable) == len(now.diffs) || round == rounds {
			c.diffs, c.unstable = stable, len(now.diffs)-len(stable)
			return nil
		}
		before = now
		select {
		case <-time.After(settle):
		case <-ctx.Done():
			return ctx.Err()
		}
		buckets = bucketsOf(buckets, now.diffs, c.buckets)
	}
	return nil
}

// sighting is what one look at both sides has shown: the differences, how far the
// master was at most, and the clone at least.
type sighting struct {
	diffs         []keyDiff
	master, clone uint64
}

// bucketsOf are the buckets that still have differences.
func bucketsOf(buckets []int, diffs []keyDiff, of int) []int {
	if len(diffs) == 0 {
		return nil
	}
	has := map[int]bool{}
	for _, d := range diffs {
		has[store.BucketOf(d.key, of)] = true
	}
	return slices.DeleteFunc(slices.Clone(buckets), func(b int) bool { return !has[b] })
}

func sameDiff(a, b keyDiff) bool {
	return data.Equal(a.key, b.key) && sameValue(a.master, b.master) && sameValue(a.clone, b.clone)
}

func sameValue(a, b *data.Value) bool {
	return a == b || a != nil && b != nil && data.Equal(*a, *b)
}

// diffBuckets reads buckets on both sides and compares them.
func (t *target) diffBuckets(ctx context.Context, at, there *store.Source, buckets []int, of int) (sighting, error) {
	var seen sighting
	want, master, err := readBuckets(ctx, at, buckets, of)
	if err != nil {
		return seen, err
	}
	got, clone, err := readBuckets(ctx, there, buckets, of)
	if err != nil {
		return seen, err
	}
	seen.master, seen.clone = slices.Max(master), slices.Min(clone)
	for k, e := range want {
		if g, ok := got[k]; !ok || !sameBytes(g.value, e.value) {
			d := keyDiff{key: e.key, master: &e.value}
			if ok {
				d.clone = &g.value
			}
			seen.diffs = append(seen.diffs, d)
		}
		delete(got, k)
	}
	for _, g := range got {
		seen.diffs = append(seen.diffs, keyDiff{key: g.key, clone: &g.value})
	}
	slices.SortFunc(seen.diffs, func(a, b keyDiff) int { return data.Compare(a.key, b.key) })
	return seen, nil
}

type pair struct{ key, value data.Value }

func sameBytes(a, b data.Value) bool {
	return string(a.AppendBinary(nil)) == string(b.AppendBinary(nil))
}

// fewBuckets is up to how many are asked for one by one. The frontend looks at
// all of its entries each time, so more of them are picked here out of one scan.
const fewBuckets = 4

// readBuckets is what is in some buckets, and how far the frontend was at each
// scan.
func readBuckets(ctx context.Context, s *store.Source, buckets []int, of int) (map[string]pair, []uint64, error) {
	scans := make([]store.ScanOptions, 1, fewBuckets)
	if len(buckets) <= fewBuckets {
		scans = scans[:0]
		for _, b := range buckets {
			scans = append(scans, store.ScanOptions{Buckets: of, Bucket: b})
		}
	}
	wanted := map[int]bool{}
	for _, b := range buckets {
		wanted[b] = true
	}
	entries := map[string]pair{}
	var numbers []uint64
	for _, o := range scans {
		scan, err := s.Scan(ctx, o)
		if err != nil {
			return nil, nil, err
		}
		defer scan.Close()
		numbers = append(numbers, scan.Number())
		for e, err := range scan.Entries(ctx) {
			if err != nil {
				return nil, nil, err
			}
			if wanted[store.BucketOf(e.Key, of)] {
				entries[string(e.Key.AppendBinary(nil))] = pair{e.Key, e.Value}
			}
		}
	}
	return entries, numbers, nil
}

// result is what came of a comparison, in a word or two.
func (c *comparison) result() string {
	switch {
	case c.err != nil:
		return "not compared: " + c.err.Error()
	case len(c.diffs) > 0:
		return table.Count(len(c.diffs), "key differs", "keys differ")
	case c.unstable > 0:
		return table.Count(c.unstable, "key changes too fast", "keys change too fast")
	}
	return "equal"
}

// showComparisons prints them, and answers ErrDiffer or the first error.
func (t *target) showComparisons(master store.Report, list []comparison, keys, values bool) error {
	o := t.o
	if o.JSON {
		if err := writeJSON(o.Out, t.comparisonDocument(master, list, keys, values)); err != nil {
			return err
		}
	} else {
		rows := [][]string{{"CLONE", "STATE", "ENTRIES", "NUMBER", "RESULT"}}
		for i := range list {
			c := &list[i]
			rows = append(rows, []string{t.name(c.clone.ID.Endpoint), c.clone.State, strconv.Itoa(c.entries), strconv.FormatUint(c.number, 10), c.result()})
		}
		if len(list) > 0 {
			printTable(o.Out, rows)
		}
		fmt.Fprintf(o.Out, " %s: master at %s with %s, number %d\n", o.Name, t.name(master.ID.Endpoint),
			table.Count(int(master.Entries), "entry", "entries"), master.Number)
		if keys {
			for i := range list {
				t.showDiffs(&list[i], values)
			}
		}
	}
	if missing := master.Clones - len(list); missing > 0 {
		fmt.Fprintf(o.Notes, "%s did not answer: of C++ Broker, or out of reach\n", table.Count(missing, "clone", "clones"))
	}
	for i := range list {
		if c := &list[i]; c.err != nil {
			return o.failure(context.Background(), fmt.Errorf("compare %s: %w", t.name(c.clone.ID.Endpoint), c.err))
		}
	}
	if slices.ContainsFunc(list, func(c comparison) bool { return len(c.diffs) > 0 }) {
		return &ctl.Error{Code: ctl.ExitFailure, Err: ErrDiffer}
	}
	return nil
}

// showDiffs prints them all.
func (t *target) showDiffs(c *comparison, values bool) {
	for _, d := range c.diffs {
		showDiff(t.o, d, values, "master", "clone")
	}
}

// showDiff prints a line for a key: < for one that only the left has, > for one that only the right has, and ! for one with two values.
func showDiff(o Options, d keyDiff, values bool, left, right string) {
	sign := "!"
	if d.clone == nil {
		sign = "<"
	} else if d.master == nil {
		sign = ">"
	}
	fmt.Fprintf(o.Out, "%s %s\n", sign, o.Format(d.key))
	width := max(len(left), len(right)) + 1
	if values && d.master != nil {
		fmt.Fprintf(o.Out, "    %-*s %s\n", width, left+":", o.Format(*d.master))
	}
	if values && d.clone != nil {
		fmt.Fprintf(o.Out, "    %-*s %s\n", width, right+":", o.Format(*d.clone))
	}
}
