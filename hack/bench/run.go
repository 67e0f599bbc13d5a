// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/pki"
)

// patience bounds one run of one workload.
const patience = 5 * time.Minute

// runner starts halves.
type runner struct {
	brokerctl string
	folder    string // for what they keep
}

func newRunner(brokerctl string) (*runner, error) {
	if _, err := os.Stat(brokerctl); err != nil {
		return nil, fmt.Errorf("%w; make bin/brokerctl builds it", err)
	}
	folder, err := os.MkdirTemp("", "brokermesh-bench-")
	if err != nil {
		return nil, err
	}
	r := &runner{brokerctl, folder}
	if err := r.writeCertificate(); err != nil {
		r.close()
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	return r, nil
}

func (r *runner) close() { os.RemoveAll(r.folder) }

func (r *runner) tlsDir() string { return filepath.Join(r.folder, "tls") }

// writeCertificate makes the certificate that both halves of a TLS workload
// show.
func (r *runner) writeCertificate() error {
	authority, err := pki.NewAuthority(rand.Reader, time.Now(), "bench")
	if err != nil {
		return err
	}
	leaf, err := authority.Issue(rand.Reader, time.Now(), pki.ClientRequest("bench"))
	if err != nil {
		return err
	}
	if err := os.Mkdir(r.tlsDir(), 0o700); err != nil {
		return err
	}
	for name, content := range map[string][]byte{"ca.crt": authority.CertPEM(), "tls.crt": leaf.Cert, "tls.key": leaf.Key} {
		if err := os.WriteFile(filepath.Join(r.tlsDir(), name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// process is a running half.
type process struct {
	name   string
	cmd    *exec.Cmd
	out    bytes.Buffer
	notes  strings.Builder
	ready  chan string // the address, if it listens; closed when it says no more
	reader chan struct{}
}

// once runs a workload.
func (o *outcome) once(ctx context.Context, r *runner) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	dir, err := os.MkdirTemp(r.folder, "run-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	values := []string{"{count}", fmt.Sprint(o.count), "{dir}", dir, "{tls}", r.tlsDir()}
	var running []*process
	defer func() {
		cancel() // which kills those that still run
		for _, p := range running {
			_ = p.wait()
		}
	}()
	for _, h := range o.halves {
		p, err := r.start(ctx, h, strings.NewReplacer(values...))
		if err != nil {
			return err
		}
		running = append(running, p)
		if h.listens {
			address, ok := <-p.ready
			if !ok {
				return fmt.Errorf("%s ended before it listened: %w", h.name, p.wait())
			}
			values = append(values, "{"+h.name+"}", address)
		}
	}
	if err := waitAll(running, cancel); err != nil {
		return err
	}
	run := map[string]figures{}
	for _, p := range running {
		var f figures
		if err := json.Unmarshal(p.out.Bytes(), &f); err != nil {
			return fmt.Errorf("%s printed %q: %w", p.name, &p.out, err)
		}
		run[p.name] = f
	}
	o.runs = append(o.runs, run)
	return o.check(run)
}

// waitAll waits for all halves, and stops the others when one fails: they
// would wait for it.
func waitAll(running []*process, stop func()) (first error) {
	ended := make(chan error, len(running))
	for _, p := range running {
		go func() { ended <- p.wait() }()
	}
	for range running {
		if err := <-ended; err != nil && first == nil {
			first = err
			stop()
		}
	}
	return first
}

func (r *runner) start(ctx context.Context, h half, values *strings.Replacer) (*process, error) {
	args := []string{"bench"}
	for _, a := range h.args {
		args = append(args, values.Replace(a))
	}
	p := &process{name: h.name, cmd: exec.CommandContext(ctx, r.brokerctl, args...), ready: make(chan string, 1), reader: make(chan struct{})}
	p.cmd.Stdout = &p.out
	p.cmd.Env = append(os.Environ(), h.env...)
	notes, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", h.name, err)
	}
	go p.follow(notes)
	return p, nil
}

// follow reads what a half says until it ends.
func (p *process) follow(notes io.Reader) {
	defer close(p.reader)
	defer close(p.ready)
	lines := bufio.NewScanner(notes)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			p.ready <- address
			continue
		}
		p.notes.WriteString(lines.Text() + "\n")
	}
}

// wait answers how the half ended.
func (p *process) wait() error {
	<-p.reader
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", p.name, errors.Join(err, errors.New(strings.TrimSpace(p.notes.String()))))
	}
	return nil
}
