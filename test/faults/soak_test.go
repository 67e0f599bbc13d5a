// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// attackEvery is how many schedules of a soak there are to an attack.
const attackEvery = 8

// soak is a run of random schedules and of attacks.
type soak struct {
	t     *testing.T
	out   io.Writer
	start time.Time

	mu struct {
		sync.Mutex
		next, attacks  uint64
		passed, failed uint64
		totals         totals
	}
}

// TestSoak runs random schedules for -soak, some at a time, with an attack now and then, and writes to -soaklog what they were. The first
// seed is SEED, or any; the next ones are the numbers above it.
func TestSoak(t *testing.T) {
	if *soakFlag == 0 {
		return // make soak sets it
	}
	first := rand.Uint64() >> 32
	if text := os.Getenv("SEED"); text != "" && text != "random" {
		var err error
		if first, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("SEED: %v", err)
		}
	}
	s := &soak{t: t, out: os.Stdout, start: time.Now()}
	s.mu.next = first
	if *soakLog != "" {
		file, err := os.Create(*soakLog)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		s.out = io.MultiWriter(file, os.Stdout)
	}
	s.sayLocked("soak for %v, %d at a time, SEED=%d", *soakFlag, *abreast, first)
	var all sync.WaitGroup
	for range *abreast {
		all.Go(func() {
			for time.Since(s.start) < *soakFlag {
				s.one()
			}
		})
	}
	all.Wait()
	s.sayLocked("%d passed, %d failed in %v: %v", s.mu.passed, s.mu.failed, time.Since(s.start).Round(time.Second), s.mu.totals)
}

func (s *soak) sayLocked(format string, args ...any) {
	fmt.Fprintf(s.out, "%s %s\n", time.Now().UTC().Format(time.RFC3339), fmt.Sprintf(format, args...))
}

// one runs the next schedule or attack.
func (s *soak) one() {
	s.mu.Lock()
	var name string
	var run func(t testing.TB) totals
	if n := s.mu.attacks; s.mu.passed+s.mu.failed >= (n+1)*attackEvery {
		s.mu.attacks++
		a := attacks[n%uint64(len(attacks))]
		name, run = a.name, a.run
	} else {
		seed := s.mu.next
		s.mu.next++
		name, run = fmt.Sprintf("SEED=%d", seed), func(t testing.TB) totals { return runSeed(t, seed) }
	}
	s.mu.Unlock()
	began := time.Now()
	var did totals
	ok := s.t.Run(name, func(t *testing.T) { did = run(t) })
	s.mu.Lock()
	defer s.mu.Unlock()
	result := "ok"
	if ok {
		s.mu.passed++
	} else {
		s.mu.failed++
		result = "FAILED"
	}
	s.mu.totals.add(did)
	s.sayLocked("%s %s after %.0f s: %v", name, result, time.Since(began).Seconds(), did)
}
