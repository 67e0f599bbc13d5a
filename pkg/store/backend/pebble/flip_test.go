// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/broker/code"
)

// TestFlippedBits flips single bits of every file of a folder, and reads everything: what is answered without an error must be right.
func TestFlippedBits(t *testing.T) {
	start := seed.For(t)
	rng := rand.New(rand.NewPCG(start, 0))
	s := newScript(rng, scriptLength)
	want := s.states[len(s.states)-1]
	for _, killed := range []bool{false, true} {
		t.Run(map[bool]string{false: "Closed", true: "Killed"}[killed], func(t *testing.T) {
			fs := s.folder(t, killed)
			noticed, harmless := map[string]int{}, map[string]int{}
			for _, f := range flips(t, fs, rand.New(rand.NewPCG(start, 1))) {
				got, err := readFlipped(t, fs, f)
				switch {
				case err != nil:
					if !errors.Is(err, code.BackendFailure) || !strings.Contains(err.Error(), folder) {
						t.Errorf("%v: the error doesn't name the folder: %v", f, err)
					}
					noticed[kindOf(f.name)]++
				case !maps.Equal(got, want):
					t.Errorf("%v: a wrong content is served", f)
				default:
					harmless[kindOf(f.name)]++
				}
			}
			t.Logf("noticed %v, without effect %v", noticed, harmless)
		})
	}
}

// flip is a bit of a file.
type flip struct {
	name string
	bit  int64
}

func kindOf(name string) string {
	for _, kind := range []string{".sst", ".log", "MANIFEST", "OPTIONS", "mark"} {
		if strings.Contains(name, kind) {
			return kind
		}
	}
	return name
}

// folder is one in which the workload was carried out; without being closed if it was killed.
func (s *script) folder(t *testing.T, killed bool) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	b, err := Open(folder, tiny(fs))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.run(b, func(int) {}); err != nil {
		t.Fatal(err)
	}
	left := fs
	if killed {
		left = whole(fs)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return left
}

// whole is a copy of a file system as a killed process leaves it: everything that was written is there.
func whole(fs *vfs.MemFS) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(0, 0))})
}

// flips are bits of all files, some at random and all of those where a file ends.
func flips(t *testing.T, fs *vfs.MemFS, rng *rand.Rand) (all []flip) {
	t.Helper()
	names, err := fs.List(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		info, err := fs.Stat(fs.PathJoin(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() || info.Size() == 0 {
			continue
		}
		bits := info.Size() * 8
		for range flipsAFile {
			all = append(all, flip{name, rng.Int64N(bits)})
		}
		for bit := max(0, bits-256); bit < bits; bit += 8*stride + 1 {
			all = append(all, flip{name, bit})
		}
	}
	return all
}

func (f flip) String() string { return fmt.Sprintf("bit %d of %s", f.bit, f.name) }

// readFlipped reads everything from a copy with a flipped bit.
func readFlipped(t *testing.T, fs *vfs.MemFS, f flip) (content, error) {
	t.Helper()
	fs = whole(fs)
	file, err := fs.OpenReadWrite(fs.PathJoin(folder, f.name), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	one := []byte{0}
	if _, err := file.ReadAt(one, f.bit/8); err != nil {
		t.Fatal(err)
	}
	one[0] ^= 1 << (f.bit % 8)
	if _, err := file.WriteAt(one, f.bit/8); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := Open(folder, tiny(fs))
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return served(b)
}
