// SPDX-License-Identifier: Apache-2.0

package statusapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// ask sends one question and says how long the answer took, in the time of the bubble.
func ask(ctx context.Context, h http.Handler, query string) (Status, int, time.Duration) {
	start := time.Now()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, PathStatus+query, nil))
	var s Status
	_ = json.Unmarshal(w.Body.Bytes(), &s)
	return s, w.Code, time.Since(start)
}

func TestLongPoll(t *testing.T) {
	tests := map[string]struct {
		query string
		after time.Duration // when the generation advances; 0: never
		want  time.Duration
		gen   uint64
	}{
		"first question":     {"", 0, 0, 1},
		"another instance":   {"?instance=two&generation=1", 0, 0, 1},
		"older generation":   {"?instance=one&generation=0", 0, 0, 1},
		"newer generation":   {"?instance=one&generation=7", 0, 0, 1},
		"nothing new":        {"?instance=one&generation=1", 0, 10 * time.Second, 1},
		"shorter wait":       {"?instance=one&generation=1&wait=3", 0, 3 * time.Second, 1},
		"longest wait":       {"?instance=one&generation=1&wait=4000", 0, 10 * time.Second, 1},
		"a change meanwhile": {"?instance=one&generation=1", 4 * time.Second, 4 * time.Second, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				node := newFakeNode()
				if test.after > 0 {
					time.AfterFunc(test.after, func() { node.set(func(s *Status) { s.Generation++ }) })
				}
				s, code, took := ask(t.Context(), Handler(node), test.query)
				if code != http.StatusOK || s.Generation != test.gen || took != test.want {
					t.Errorf("answer %d, generation %d after %v; want generation %d after %v", code, s.Generation, took, test.gen, test.want)
				}
			})
		})
	}
}

func TestTwoAnswersASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newFakeNode()
		h := Handler(node)
		start := time.Now()
		var at []time.Duration
		for range 7 {
			ask(t.Context(), h, "")
			at = append(at, time.Since(start))
		}
		for i := perSecond; i < len(at); i++ {
			if at[i]-at[i-perSecond] < time.Second {
				t.Errorf("answer %d came %v after answer %d", i, at[i]-at[i-perSecond], i-perSecond)
			}
		}
		if at[6] != 3*time.Second {
			t.Errorf("seven answers took %v", at[6])
		}
	})
}

// TestMissingLeaseIsToldAtOnce: writers wait for somebody to hear of it.
func TestMissingLeaseIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newFakeNode()
		h := Handler(node)
		for range perSecond {
			ask(t.Context(), h, "")
		}
		node.set(func(s *Status) { s.Stores = []Store{{State: StoreServing, Leased: true, LeaseMissing: true}} })
		if s, code, took := ask(t.Context(), h, ""); code != http.StatusOK || took != 0 || len(s.Stores) != 1 {
			t.Errorf("answer %d after %v: %+v", code, took, s.Stores)
		}
		node.set(func(s *Status) { s.Stores[0].LeaseMissing = false })
		if _, _, took := ask(t.Context(), h, ""); took != time.Second {
			t.Errorf("with a lease: answered after %v", took)
		}
	})
}

func TestDelayedAnswerIsFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newFakeNode()
		h := Handler(node)
		ask(t.Context(), h, "")
		ask(t.Context(), h, "")
		time.AfterFunc(500*time.Millisecond, func() { node.set(func(s *Status) { s.Generation = 9 }) })
		if s, _, took := ask(t.Context(), h, ""); s.Generation != 9 || took != time.Second {
			t.Errorf("generation %d after %v", s.Generation, took)
		}
	})
}

func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Handler(newFakeNode())
		ctx, cancel := context.WithCancel(t.Context())
		codes := make(chan int)
		for range perSecond + mostWaiting + 3 {
			go func() {
				_, code, _ := ask(ctx, h, "")
				codes <- code
			}()
		}
		synctest.Wait()
		busy := 0
		for range perSecond + 3 {
			if <-codes == http.StatusTooManyRequests {
				busy++
			}
		}
		if busy != 3 {
			t.Errorf("%d questions were sent away, want 3", busy)
		}
		cancel() // those that wait leave without an answer
		for range mostWaiting {
			<-codes
		}
		<-time.After(time.Minute) // of the bubble: the turns that were given are over
		if _, code, took := ask(t.Context(), h, ""); code != http.StatusOK || took != 0 {
			t.Errorf("afterwards: %d after %v", code, took)
		}
	})
}

func TestClearErrors(t *testing.T) {
	good := nodeconfig.Config{Version: 1, Namespace: "n", Node: "a", Pod: "a-0"}
	tests := map[string]struct {
		method, path, kind, body string
		apply                    error
		code                     int
		words                    string
	}{
		"path":       {"GET", "/v2/status", "", "", nil, 404, "no such path, allowed: /v1/status, /v1/config"},
		"method":     {"POST", PathStatus, "", "", nil, 405, `method "POST", allowed: GET`},
		"method 2":   {"GET", PathConfig, "", "", nil, 405, `method "GET", allowed: PUT`},
		"generation": {"GET", PathStatus + "?generation=-1", "", "", nil, 400, `generation: "-1", allowed: a whole number`},
		"wait":       {"GET", PathStatus + "?wait=1s", "", "", nil, 400, `wait: "1s", allowed: whole seconds`},
		"type":       {"PUT", PathConfig, "text/plain", "{}", nil, 415, `content type "text/plain", allowed: application/json`},
		"size":       {"PUT", PathConfig, "application/json", strings.Repeat(" ", nodeconfig.MaxSize+1), nil, 413, "at most 1048576 bytes"},
		"rejected":   {"PUT", PathConfig, "application/json", `{"version":3}`, nil, 422, "version: found 3, allowed: 1"},
		"draining":   {"PUT", PathConfig, "application/json", string(good.Canonical()), errBusy, 503, "takes no config now: draining"},
		"accepted":   {"PUT", PathConfig, "application/json; charset=utf-8", string(good.Canonical()), nil, 200, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			node := newFakeNode()
			node.apply = test.apply
			r := httptest.NewRequestWithContext(t.Context(), test.method, test.path, strings.NewReader(test.body))
			if test.kind != "" {
				r.Header.Set("Content-Type", test.kind)
			}
			w := httptest.NewRecorder()
			Handler(node).ServeHTTP(w, r)
			var p Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
				t.Fatalf("the answer is no JSON: %q", w.Body)
			}
			if w.Code != test.code || !strings.Contains(p.Error, test.words) {
				t.Errorf("got %d %q, want %d %q", w.Code, p.Error, test.code, test.words)
			}
			if w.Code == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
}
