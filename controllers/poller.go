// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

const (
	// betweenAnswers is the shortest time between two questions to one pod.
	betweenAnswers = 500 * time.Millisecond
	// Pauses after a failure double from shortest to longest.
	shortestPause = 500 * time.Millisecond
	longestPause  = 5 * time.Second
	// pushAgain is when a config is pushed once more to a pod that took it and still reports another.
	pushAgain = 10 * time.Second
	pushLimit = 20 * time.Second
)

// offer is the config that a pod should run. It is made once the ConfigMap holds the same.
type offer struct {
	config nodeconfig.Config
	hash   string
}

// conversation is what a poller needs from its mesh.
type conversation interface {
	// trusted gives what to show to the pod; nil as long as the mesh has no authority.
	trusted() *meshTrust
	// offered gives the config that the pod should run.
	offered(pod string) (offer, bool)
	// heard takes an answer of the pod.
	heard(pod string, status statusapi.Status)
	// refused takes the pod's words about the offered config.
	refused(pod string, words string)
}

// poller talks to one pod: it asks for its status, again and again, and pushes a config when the pod reports another one than was
// offered. Everything but kick belongs to the goroutine of run.
type poller struct {
	mesh            conversation
	namespace       string
	node, pod       string
	address         string
	log             *slog.Logger
	kick            chan struct{} // holds at most one token: ask now
	trust           *meshTrust
	client          *statusapi.Client
	known           statusapi.Status
	pause           time.Duration
	pushed          pushRecord
	lastAnswer      time.Time
	reportedFailure bool
}

// pushRecord is the last push that the pod answered.
type pushRecord struct {
	instance, hash string
	rejected       bool
	at             time.Time
}

// wake makes the poller ask at once. It never blocks.
func (p *poller) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// run talks until the context ends.
func (p *poller) run(ctx context.Context) {
	defer func() {
		if p.client != nil {
			p.client.Close()
		}
	}()
	for ctx.Err() == nil {
		if !p.connect() {
			p.rest(ctx, time.Second)
			continue
		}
		status, err := p.ask(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errKicked):
			p.known = statusapi.Status{} // the next question is answered at once
		case err != nil:
			p.failed(err)
			p.rest(ctx, p.pause)
		default:
			p.answered(status)
			p.push(ctx)
			p.pace(ctx)
		}
	}
}

// connect makes a client for the certificates of now.
func (p *poller) connect() bool {
	trust := p.mesh.trusted()
	if trust == p.trust && p.client != nil {
		return true
	}
	if p.client != nil {
		p.client.Close()
		p.client = nil
	}
	p.trust = trust
	if trust == nil {
		return false
	}
	p.client = statusapi.NewClient(p.address, trust.dial(p.namespace, p.node))
	return true
}

var errKicked = errors.New("there is a reason to ask at once")

// ask waits for news of the pod, or for a kick. A question that is to be answered at once isn't cut short.
func (p *poller) ask(ctx context.Context) (statusapi.Status, error) {
	if p.known.Instance == "" {
		return p.client.Status(ctx, "", 0)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-p.kick:
			cancel(errKicked)
		case <-ctx.Done():
		}
	}()
	status, err := p.client.Status(ctx, p.known.Instance, p.known.Generation)
	cause := context.Cause(ctx)
	cancel(nil)
	<-watching
	if err == nil {
		return status, nil
	}
	if errors.Is(cause, errKicked) || errors.Is(context.Cause(ctx), errKicked) {
		err = errKicked
	}
	return statusapi.Status{}, err
}

func (p *poller) answered(status statusapi.Status) {
	p.lastAnswer = time.Now()
	if status.Pod != "" && (status.Namespace != p.namespace || status.Pod != p.pod) { // empty: it has no config yet
		p.failed(fmt.Errorf("pod %s/%s answers in the place of %s", status.Namespace, status.Pod, p.pod))
		return
	}
	if p.reportedFailure {
		p.log.Info("pod answers again", "pod", p.pod)
	}
	p.known, p.pause, p.reportedFailure = status, 0, false
	p.mesh.heard(p.pod, status)
}

func (p *poller) failed(err error) {
	p.known = statusapi.Status{}
	p.pause = min(max(2*p.pause, shortestPause), longestPause)
	if !p.reportedFailure {
		p.log.Info("pod doesn't answer", "pod", p.pod, "err", err)
	}
	p.reportedFailure = true
}

// push hands over the offered config if the pod runs another one.
func (p *poller) push(ctx context.Context) {
	o, ok := p.mesh.offered(p.pod)
	if !ok || p.known.Instance == "" || !p.wants(o, time.Now()) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, pushLimit)
	defer cancel()
	status, err := p.client.Push(ctx, o.config)
	record := pushRecord{instance: p.known.Instance, hash: o.hash, at: time.Now()}
	var rejected *statusapi.RejectedError
	switch {
	case errors.As(err, &rejected):
		p.log.Warn("pod refuses its config", "pod", p.pod, "revision", o.config.Revision, "err", err)
		record.rejected = true
		p.pushed = record
		p.mesh.refused(p.pod, rejected.Words)
		p.known = statusapi.Status{} // it has more to say now
	case err != nil:
		p.failed(err)
		p.rest(ctx, p.pause)
	default:
		p.log.Info("config pushed", "pod", p.pod, "revision", o.config.Revision)
		p.pushed = record
		p.answered(status)
	}
}

// wants says whether the offered config should go to the pod as it is known.
func (p *poller) wants(o offer, now time.Time) bool {
	if p.known.ConfigHash == o.hash || !slices.Contains(p.known.ConfigVersions, o.config.Version) || len(o.config.Missing(p.known.Features)) > 0 {
		return false // nothing new, or nothing that the pod could read
	}
	if p.pushed.instance != p.known.Instance || p.pushed.hash != o.hash {
		return true
	}
	return !p.pushed.rejected && now.Sub(p.pushed.at) >= pushAgain
}

// pace keeps the questions apart that are answered at once. A store that is being taken over may need a lease next, for which writers wait.
func (p *poller) pace(ctx context.Context) {
	if !takingOver(p.known) {
		wait(ctx, nil, betweenAnswers-time.Since(p.lastAnswer))
	}
}

func takingOver(s statusapi.Status) bool {
	return slices.ContainsFunc(s.Stores, func(t statusapi.Store) bool { return t.State == statusapi.StoreTakingOver })
}

// rest waits, or until there is a reason to ask at once.
func (p *poller) rest(ctx context.Context, d time.Duration) { wait(ctx, p.kick, d) }

func wait(ctx context.Context, kick <-chan struct{}, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-kick:
	case <-ctx.Done():
	}
}
