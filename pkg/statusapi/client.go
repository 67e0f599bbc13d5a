// SPDX-License-Identifier: Apache-2.0

package statusapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// MaxAnswer is the largest answer in bytes that a client reads.
const MaxAnswer = 8 << 20

// RejectedError is a document that the node refused; it goes on with the one that it had.
type RejectedError struct {
	// Words are the node's own.
	Words string
}

// Error names the act and gives the node's words.
func (e *RejectedError) Error() string { return "the node refused the config: " + e.Words }

// Client talks to the control port of one node. It is safe for concurrent use: a push doesn't wait for a question that is
// under way. Close it to give its connections back.
type Client struct {
	base string
	http *http.Client
}

// NewClient makes a client of the node at HOST:PORT; nothing is dialed before the first call. The TLS config is the one of
// ClientTLS.
func NewClient(address string, config *tls.Config) *Client {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	return &Client{
		base: "https://" + address,
		http: &http.Client{
			Transport: &http.Transport{
				DialContext:           dialer.DialContext,
				TLSClientConfig:       config,
				TLSHandshakeTimeout:   5 * time.Second,
				ResponseHeaderTimeout: MaxWait + 10*time.Second,
				MaxIdleConnsPerHost:   2,
				MaxConnsPerHost:       4,
				IdleConnTimeout:       time.Minute,
				DisableCompression:    true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Close closes the connections that are idle. Calls under way end with their contexts.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks for the status after the generation of the instance: both are those of the last answer, or empty and 0. It
// answers at once if the node is at another one, else at the next change or after ten seconds.
func (c *Client) Status(ctx context.Context, instance string, generation uint64) (Status, error) {
	query := url.Values{"instance": {instance}, "generation": {strconv.FormatUint(generation, 10)}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+PathStatus+"?"+query.Encode(), nil)
	if err != nil {
		return Status{}, fmt.Errorf("ask for the status: %w", err)
	}
	var status Status
	if err := c.do(r, &status); err != nil {
		return Status{}, fmt.Errorf("ask for the status: %w", err)
	}
	return status, nil
}

// Push hands over a document. The answer is the node's status with it applied; a refusal is a *RejectedError.
func (c *Client) Push(ctx context.Context, config nodeconfig.Config) (Status, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, c.base+PathConfig, bytes.NewReader(config.Canonical()))
	if err != nil {
		return Status{}, fmt.Errorf("push the config: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	var status Status
	if err := c.do(r, &status); err != nil {
		return Status{}, fmt.Errorf("push the config: %w", err)
	}
	return status, nil
}

// do sends a request and reads what a good answer holds.
func (c *Client) do(r *http.Request, into any) error {
	response, err := c.http.Do(r)
	if err != nil {
		var wrapped *url.Error // names the URL, which says nothing to people
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, MaxAnswer+1))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > MaxAnswer {
		return fmt.Errorf("the answer has more than %d bytes", MaxAnswer)
	}
	if response.StatusCode != http.StatusOK {
		return problem(response.StatusCode, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// problem is the error behind an answer that isn't 200.
func problem(code int, body []byte) error {
	var p Problem
	if err := json.Unmarshal(body, &p); err != nil || p.Error == "" {
		return fmt.Errorf("the node answered %d %s", code, http.StatusText(code))
	}
	switch code {
	case http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		return &RejectedError{Words: p.Error}
	case http.StatusConflict:
		return &NotGrantedError{Words: p.Error}
	case http.StatusServiceUnavailable:
		return fmt.Errorf("%w: %s", ErrUnavailable, p.Error)
	}
	return fmt.Errorf("the node answered %d: %s", code, p.Error)
}
