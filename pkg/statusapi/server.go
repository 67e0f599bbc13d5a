// SPDX-License-Identifier: Apache-2.0

package statusapi

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// MaxWait is the longest that a question waits for news.
const MaxWait = 10 * time.Second

// ErrUnavailable is what Source.Apply returns (wrapped) when the node takes no document now, for a cause that isn't the
// document: the client may try again.
var ErrUnavailable = errors.New("the node takes no config now")

// Source is the node behind the server.
type Source interface {
	// Wait returns the status at once when the instance or the generation is another than the node's own; else when the
	// generation advances or the context ends, whichever is first.
	Wait(ctx context.Context, instance string, generation uint64) Status
	// Apply takes a whole document or refuses it, with an error in words that people understand.
	Apply(ctx context.Context, doc []byte) error
	// LeaseToken stands for the moment of the call.
	LeaseToken() LeaseToken
	// Grant lets a master write; the error says why none does under this grant.
	Grant(g Grant) error
}

// Handler serves PathStatus, PathConfig and PathLeases. It is safe for concurrent use; documents are applied one at a time. Every answer
// but a Status is a Problem.
func Handler(src Source) http.Handler {
	h := &handler{src: src, applying: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc(PathStatus, method(http.MethodGet, h.status))
	mux.HandleFunc(PathConfig, method(http.MethodPut, h.config))
	mux.HandleFunc(PathLeases, h.leases)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, fmt.Sprintf("no such path, allowed: %s, %s, %s", PathStatus, PathConfig, PathLeases))
	})
	return mux
}

// NewServer is an http.Server with the limits that a control port needs; Serve it on a listener of tls.NewListener, or with
// ServeTLS and no files. A nil logger discards what goes wrong with connections.
func NewServer(h http.Handler, config *tls.Config, logger *slog.Logger) *http.Server {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler:           h,
		TLSConfig:         config,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second, // longer than any long poll: it also ends the watch for a client that goes away
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 only
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

type handler struct {
	src      Source
	answers  pace
	applying chan struct{} // holds one token while a document is applied
}

// method answers 405 to every other method.
func method(allowed string, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != allowed {
			w.Header().Set("Allow", allowed)
			refuse(w, http.StatusMethodNotAllowed, fmt.Sprintf("method %.20q, allowed: %s", r.Method, allowed))
			return
		}
		serve(w, r)
	}
}

func (h *handler) status(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuestion(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), q.wait)
	defer cancel()
	status := h.src.Wait(ctx, q.instance, q.generation)
	if urgent(status) {
		answer(w, http.StatusOK, status)
		return
	}
	waited, err := h.answers.next(r.Context())
	switch {
	case errors.Is(err, errCrowded):
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests, err.Error())
		return
	case err != nil:
		return // the client has gone
	case waited:
		status = h.src.Wait(r.Context(), "", 0) // no instance has an empty name: the newest, at once
	}
	answer(w, http.StatusOK, status)
}

// urgent tells whether writers wait for somebody to hear of this: a master that needs a lease and has none. Such an answer doesn't wait for
// its turn; who asks paces himself.
func urgent(s Status) bool {
	return slices.ContainsFunc(s.Stores, func(t Store) bool { return t.LeaseMissing })
}

type question struct {
	instance   string
	generation uint64
	wait       time.Duration
}

func parseQuestion(r *http.Request) (question, error) {
	values := r.URL.Query()
	q := question{instance: values.Get("instance"), wait: MaxWait}
	var err error
	if s := values.Get("generation"); s != "" {
		if q.generation, err = strconv.ParseUint(s, 10, 64); err != nil {
			return q, fmt.Errorf("generation: %.40q, allowed: a whole number", s)
		}
	}
	if s := values.Get("wait"); s != "" {
		seconds, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return q, fmt.Errorf("wait: %.40q, allowed: whole seconds", s)
		}
		q.wait = min(time.Duration(seconds)*time.Second, MaxWait)
	}
	return q, nil
}

func (h *handler) config(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, fmt.Sprintf("content type %.40q, allowed: application/json", r.Header.Get("Content-Type")))
		return
	}
	doc, err := io.ReadAll(http.MaxBytesReader(w, r.Body, nodeconfig.MaxSize))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the document is too large, allowed: at most %d bytes", tooLarge.Limit))
		return
	} else if err != nil {
		refuse(w, http.StatusBadRequest, "the document ended early")
		return
	}
	select {
	case h.applying <- struct{}{}:
		defer func() { <-h.applying }()
	case <-r.Context().Done():
		return
	}
	switch err := h.src.Apply(r.Context(), doc); {
	case errors.Is(err, ErrUnavailable):
		refuse(w, http.StatusServiceUnavailable, err.Error())
	case err != nil:
		refuse(w, http.StatusUnprocessableEntity, err.Error())
	default:
		answer(w, http.StatusOK, h.src.Wait(r.Context(), "", 0))
	}
}

func refuse(w http.ResponseWriter, code int, words string) {
	answer(w, code, Problem{Error: words})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(body) // the types always encode; a client that has gone hears nothing
}
