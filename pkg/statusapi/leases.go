// SPDX-License-Identifier: Apache-2.0

package statusapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// maxGrant is the largest Grant in bytes that a node reads.
const maxGrant = 16 << 10

// NotGrantedError is a lease that no master has.
type NotGrantedError struct {
	// Words are the node's own.
	Words string
}

// Error names the act and gives the node's words.
func (e *NotGrantedError) Error() string { return "the node has no master for the lease: " + e.Words }

// leases hands out tokens and takes grants. They are not paced: a lease must not wait for who asks for the status.
func (h *handler) leases(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		answer(w, http.StatusOK, h.src.LeaseToken())
	case http.MethodPut:
		h.grant(w, r)
	default:
		w.Header().Set("Allow", "GET, PUT")
		refuse(w, http.StatusMethodNotAllowed, fmt.Sprintf("method %.20q, allowed: GET, PUT", r.Method))
	}
}

func (h *handler) grant(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxGrant))
	var g Grant
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		err = d.Decode(&g)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "the grant can't be read, allowed: an object with store, epoch, seconds and token")
		return
	}
	if err := h.src.Grant(g); err != nil {
		refuse(w, http.StatusConflict, err.Error())
		return
	}
	answer(w, http.StatusOK, g)
}

// LeaseToken asks the node for a token: a lease with it ends, at the latest, as long after this call as it lasts.
func (c *Client) LeaseToken(ctx context.Context) (LeaseToken, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+PathLeases, nil)
	if err != nil {
		return LeaseToken{}, fmt.Errorf("ask for a lease token: %w", err)
	}
	var t LeaseToken
	if err := c.do(r, &t); err != nil {
		return LeaseToken{}, fmt.Errorf("ask for a lease token: %w", err)
	}
	return t, nil
}

// Grant lets a master of the node write. A *NotGrantedError says that none does under this grant; after any other error one may.
func (c *Client) Grant(ctx context.Context, g Grant) error {
	body, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("grant a lease: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, c.base+PathLeases, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("grant a lease: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if err := c.do(r, &Grant{}); err != nil {
		return fmt.Errorf("grant a lease: %w", err)
	}
	return nil
}
