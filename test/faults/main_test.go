// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/test/faults/lab"
)

// workerEnv is set in processes that are endpoints.
const workerEnv = "BROKERMESH_FAULTS_WORKER"

var (
	soakFlag  = flag.Duration("soak", 0, "run TestSoak for this long")
	abreast   = flag.Int("abreast", 2, "how many schedules of TestSoak run at a time")
	soakLog   = flag.String("soaklog", "", "the file to which TestSoak writes what it did")
	keepFlag  = flag.Bool("keep", false, "keep the logs of the endpoints of tests that passed, too")
	roundFlag = flag.Int("rounds", 2, "how many rounds with faults a random schedule has")
)

// The first thread never enters a namespace: /proc/self speaks of it.
func init() { runtime.LockOSThread() }

// TestMain is also where a process that is an endpoint begins.
func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" {
		os.Exit(work(os.Stdin, os.Stdout))
	}
	if os.Getenv(storeKindEnv) != "" {
		fmt.Fprintln(os.Stderr, "faults: store:", writeStore(os.Stdout))
		os.Exit(1)
	}
	if err := lab.Missing(); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
	flag.Parse()
	os.Exit(m.Run())
}

// patience is how long tests wait for what must happen.
const patience = 2 * time.Minute

// poll looks at a condition until it answers nothing to wait for any more, and fails with what it last said if it never does.
func poll(t testing.TB, what string, look func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		missing := look()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %v: %s", what, patience, missing)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
