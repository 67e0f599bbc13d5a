// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// wantAll makes a run of all tests fail if a reason of the API was in no status. It isn't set as a rule: some reasons are there for a moment
// only, so that a busy machine may pass them by.
var wantAll = flag.Bool("all-reasons", false, "fail if a condition's reason was never reached")

// said has each condition and reason that a manager of these tests has written into a status. Its mutex owns it.
var said struct {
	sync.Mutex
	reasons map[string]bool
}

// kindsOf are the resources whose statuses are looked at.
var kindsOf = map[string]string{
	"brokernodes": topology.KindBrokerNode, "peerings": topology.KindPeering, "datastores": topology.KindDataStore, "brokermeshes": topology.KindBrokerMesh,
}

// note remembers the conditions of a status that is on its way to the API server.
func note(r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	if len(parts) < 3 || parts[len(parts)-1] != "status" || r.Body == nil {
		return
	}
	kind := kindsOf[parts[len(parts)-3]]
	if kind == "" {
		return
	}
	body, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(body))
	var o struct {
		Status struct{ Conditions []metav1.Condition }
	}
	if err != nil || json.Unmarshal(body, &o) != nil {
		return
	}
	said.Lock()
	defer said.Unlock()
	if said.reasons == nil {
		said.reasons = make(map[string]bool)
	}
	for _, c := range o.Status.Conditions {
		said.reasons[kind+" "+c.Type+" "+c.Reason] = true
	}
}

// unsaid are the reasons of the API that no status had.
func unsaid() (missing []string) {
	said.Lock()
	defer said.Unlock()
	for _, c := range evidence.Reasons() {
		for _, reason := range c.Reasons {
			if key := fmt.Sprintf("%s %s %s", c.Kind, c.Type, reason); !said.reasons[key] {
				missing = append(missing, key)
			}
		}
	}
	return missing
}

// reachedAll fails, if that is wanted, a run in which a reason was never reached: one that nothing brings about explains nothing.
func reachedAll(code int) int {
	if code != 0 || !*wantAll {
		return code
	}
	missing := unsaid()
	if len(missing) == 0 {
		return 0
	}
	fmt.Fprintf(os.Stderr, "conditions that no test of this package brings about (add one):\n  %s\n", strings.Join(missing, "\n  "))
	return 1
}
