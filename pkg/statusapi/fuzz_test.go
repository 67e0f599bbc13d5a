// SPDX-License-Identifier: Apache-2.0

package statusapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

// FuzzHandler sends any query and any document: the answer is always JSON with a status that HTTP knows.
func FuzzHandler(f *testing.F) {
	f.Add("instance=one&generation=0", []byte(`{"version":1,"namespace":"n","node":"a","pod":"a-0"}`))
	f.Add("generation=18446744073709551616&wait=-1", []byte(`{"version":1`))
	f.Add("%zz&;", []byte{0xff})
	f.Add("", []byte(`{"store":"s","epoch":3,"seconds":5,"token":"now"}`))
	f.Fuzz(func(t *testing.T, query string, doc []byte) {
		h := Handler(newFakeNode())
		status := httptest.NewRequestWithContext(t.Context(), http.MethodGet, PathStatus, nil)
		status.URL.RawQuery = query + "&wait=0"
		config := httptest.NewRequestWithContext(t.Context(), http.MethodPut, PathConfig, bytes.NewReader(doc))
		config.Header.Set("Content-Type", "application/json")
		grant := httptest.NewRequestWithContext(t.Context(), http.MethodPut, PathLeases, bytes.NewReader(doc))
		for _, r := range []*http.Request{status, config, grant} {
			if r == status && r.URL.Query().Get("wait") != "0" {
				continue // the query asks for real waiting
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if http.StatusText(w.Code) == "" || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s %s: %d %q", r.Method, r.URL, w.Code, w.Body)
			}
		}
	})
}

// FuzzProblem reads any answer that isn't 200: there is always an error.
func FuzzProblem(f *testing.F) {
	f.Add(422, []byte(`{"error":"tls: no"}`))
	f.Add(500, []byte(`<html>`))
	f.Fuzz(func(t *testing.T, code int, body []byte) {
		if err := problem(code, body); err == nil || err.Error() == "" {
			t.Error("no error")
		}
	})
}
