// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"maps"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// testModel runs random operations on a backend and on a map, and compares.
func testModel(t *testing.T, k Kind) {
	rng := rand.New(rand.NewPCG(seed.For(t), 0))
	dir := t.TempDir()
	b := k.Open(t, dir)
	defer func() { b.Close() }()
	model := map[uint64]backend.Entry{}
	for range 200 {
		i := rng.Uint64N(12)
		key := data.Count(i)
		switch action := rng.IntN(20); {
		case action < 10:
			e := backend.Entry{Key: key, Value: values()[rng.IntN(len(values()))], Deadline: backend.Never}
			if rng.IntN(3) == 0 {
				e.Deadline = backend.Deadline(rng.Uint64N(1000))
			}
			put(t, b, e.Key, e.Value, e.Deadline)
			model[i] = e
		case action < 16:
			_, want := model[i]
			erase(t, b, key, want)
			delete(model, i)
		case action < 17:
			if err := b.Clear(); err != nil {
				t.Fatal(err)
			}
			clear(model)
		case action < 19:
			commit(t, b)
			s := snapshot(t, b)
			expectSnapshot(t, s, slices.Collect(maps.Values(model))...)
			closeSnapshot(t, s)
		case k.Persistent:
			commit(t, b)
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			b = k.Open(t, dir)
		}
		var want []backend.Entry
		for _, e := range model {
			want = append(want, e)
		}
		expect(t, b, want...)
	}
}

// values has one of each kind, and some that are easily mistaken for each other.
func values() []data.Value {
	return []data.Value{
		data.None(), data.Boolean(true), data.Count(math.MaxUint64), data.Integer(math.MinInt64), data.Real(math.Inf(1)), data.Real(-2.5),
		data.String("text\x00\xff"), data.Address(netip.MustParseAddr("2001:db8::1")), data.Address(netip.MustParseAddr("192.0.2.1")),
		data.Subnet(netip.MustParsePrefix("192.0.2.0/24")), data.Port(80, data.ProtocolTCP), data.TimestampNanos(-1),
		data.Timespan(3 * time.Second), data.Enum("Log::UNKNOWN"), data.Set(data.Count(1), data.String("a")),
		data.Table(data.Entry{Key: data.Count(1), Value: data.Vector(data.None())}), data.Vector(data.Set(), data.Table(), data.Vector()),
	}
}

func negativeZero() float64 { return math.Copysign(0, -1) }

func notANumber() float64 { return math.NaN() }
