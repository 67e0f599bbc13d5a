// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler serves /healthz (the process lives), /readyz (a config is accepted
// and all its ports listen; peers and stores don't matter) and /metrics.
func (n *Node) Handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{n})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := n.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

// HTTPServer is an http.Server for [Node.Handler] with sensible limits.
func (n *Node) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           n.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
	}
}

// Ready says what is missing until the node is what its config says, as far as
// it depends on the node alone.
func (n *Node) Ready() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.mu.draining:
		return errors.New("draining")
	case n.mu.engine != nil:
		return nil
	case n.mu.problem != "":
		return fmt.Errorf("no config accepted: %s", n.mu.problem)
	default:
		return errors.New("no config yet")
	}
}
