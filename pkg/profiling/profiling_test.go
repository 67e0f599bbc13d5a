// SPDX-License-Identifier: Apache-2.0

package profiling

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for address, ok := range map[string]bool{
		"127.0.0.1:9992": true, "127.1.2.3:0": true, "[::1]:9992": true, "localhost:1": true, "[::ffff:127.0.0.1]:1": true,
		":9992": false, "0.0.0.0:9992": false, "[::]:9992": false, "10.0.0.1:9992": false, "example.org:9992": false, "localhost.example.org:1": false,
	} {
		if err := Check(address); (err == nil) != ok || !ok && (!errors.Is(err, ErrNotLoopback) || !strings.Contains(err.Error(), address)) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"", "127.0.0.1", "9992"} {
		if err := Check(address); err == nil || !strings.Contains(err.Error(), "HOST:PORT") {
			t.Errorf("%q: %v", address, err)
		}
	}
	if err := Check(DefaultAddress); err != nil {
		t.Error(err)
	}
}

func serve(t *testing.T) *Server {
	t.Helper()
	s, err := Serve(t.Context(), "127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return s
}

// get asks under a host name; an empty one is the address.
func get(t *testing.T, s *Server, path, host string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, body
}

func TestProfiles(t *testing.T) {
	s := serve(t)
	for _, path := range []string{"allocs", "heap", "profile?seconds=1", "goroutine"} {
		code, body := get(t, s, Path+path, "")
		unpacked, err := gzip.NewReader(bytes.NewReader(body))
		if code != http.StatusOK || err != nil {
			t.Fatalf("%s: %d, %v", path, code, err)
		}
		if content, err := io.ReadAll(unpacked); err != nil || len(content) == 0 {
			t.Errorf("%s: %d bytes, %v", path, len(content), err)
		}
	}
	if code, body := get(t, s, Path, "localhost:1"); code != http.StatusOK || !bytes.Contains(body, []byte("allocs")) {
		t.Errorf("index: %d %s", code, body)
	}
	if code, _ := get(t, s, "/", ""); code != http.StatusNotFound {
		t.Errorf("outside: %d", code)
	}
	for _, host := range []string{"example.org", "example.org:9992", "10.0.0.1"} {
		if code, _ := get(t, s, Path, host); code != http.StatusForbidden {
			t.Errorf("as %s: %d", host, code)
		}
	}
}

func TestRefusals(t *testing.T) {
	s := serve(t)
	log := slog.New(slog.DiscardHandler)
	if _, err := Serve(t.Context(), s.Addr().String(), log); err == nil {
		t.Error("a port was taken twice")
	}
	if _, err := Serve(t.Context(), ":0", log); !errors.Is(err, ErrNotLoopback) {
		t.Errorf("on every interface: %v", err)
	}
}
