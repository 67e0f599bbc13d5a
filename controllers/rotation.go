// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/pki"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// podTrust is what a pod says of its certificates.
type podTrust struct {
	node, pod             string
	trustHash, leafSerial string
	silent                bool // it has not answered for a while; what it said before still holds
}

// podTrust lists the pods that have certificates in use, in a fixed order. A pod that is on no machine yet will be given the newest
// ones, and one that is on its way out needs none any more.
func (m *mesh) podTrust(compiled topology.Result, pods []corev1.Pod) []podTrust {
	there := make(map[string]bool, len(pods))
	for i := range pods {
		p := &pods[i]
		on := p.Status.HostIP != "" || p.Status.PodIP != ""
		there[p.Name] = on && p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []podTrust
	for _, n := range compiled.Nodes {
		for _, p := range n.Pods {
			if !there[p.Pod] {
				continue
			}
			t := podTrust{node: n.Node, pod: p.Pod, silent: true}
			if a := m.mu.answers[p.Pod]; a.status != nil {
				t.trustHash, t.leafSerial = a.status.TrustHash, a.status.LeafSerial
				t.silent = m.now().Sub(a.received) > evidence.MaxAge
			}
			out = append(out, t)
		}
	}
	return out
}

// certified is what a node's Secret holds, in the words in which the node's pods report it.
type certified struct {
	trustHash, serial string
	// content is what the owner of an external node reports.
	content string
}

// rotation is all that the replacement of an authority is decided by.
type rotation struct {
	ring pki.Keyring
	// wanted: the authority's age, or somebody, asks for a new one.
	wanted bool
	nodes  []string
	// certified is what the Secrets of the nodes hold, by their names.
	certified map[string]certified
	pods      []podTrust
	// outside is what the owners of external nodes report to have installed, by node.
	outside map[string]string
	now     time.Time
}

// rotationStep is what to do next.
type rotationStep struct {
	// begin: make a successor and spread it. advance: take the next step; forced if it could wait no longer.
	begin, advance, forced bool
	// waiting says which nodes hold the next step up, and by what.
	waiting map[string]string
}

// outside is what the owners of the external nodes say of them.
func (v *view) outside() map[string]string {
	out := make(map[string]string)
	for i := range v.objects.Nodes {
		if n := &v.objects.Nodes[i]; n.Spec.External != nil {
			out[n.Name] = strings.TrimSpace(n.Annotations[v1alpha1.InstalledAnnotation])
		}
	}
	return out
}

// decide takes a step when every node has reported the one before. Nodes that can't be reached hold it up, and external ones whose owners say nothing, until the old authority ends:
// waiting longer would keep nothing working.
func (r rotation) decide() rotationStep {
	if r.ring.Step() == pki.Settled {
		return rotationStep{begin: r.wanted}
	}
	s := rotationStep{waiting: r.waiting()}
	late := !r.now.Before(r.ring.Deadline())
	s.advance = len(s.waiting) == 0 || late
	s.forced = len(s.waiting) > 0 && late
	return s
}

func (r rotation) waiting() map[string]string {
	hash := meshtls.Hash(r.ring.Authority().CertPEM())
	out := make(map[string]string)
	for _, node := range r.nodes {
		has := r.certified[manifest.SecretName(node)]
		installed, outside := r.outside[node]
		switch {
		case has.trustHash != hash:
			out[node] = "its Secret is not written yet"
		case outside && installed != v1alpha1.InstalledAnything && !strings.EqualFold(installed, has.content):
			out[node] = fmt.Sprintf("it runs elsewhere, and nobody has said that it has the certificates of Secret %s: annotation %s, allowed: %s, or %s to wait for nothing",
				manifest.SecretName(node), v1alpha1.InstalledAnnotation, has.content, v1alpha1.InstalledAnything)
		}
	}
	for _, p := range r.pods {
		what := ""
		switch {
		case out[p.node] != "" || !slices.Contains(r.nodes, p.node):
			continue
		case r.ring.Step() == pki.Spreading && p.trustHash != hash:
			what = "that it trusts the new authority"
		case r.ring.Step() == pki.Replacing && p.leafSerial != r.certified[manifest.SecretName(p.node)].serial:
			what = "a certificate of the new authority"
		default:
			continue
		}
		out[p.node] = fmt.Sprintf("pod %s has not reported %s", p.pod, what)
		if p.silent {
			out[p.node] += "; it doesn't answer"
		}
	}
	return out
}
