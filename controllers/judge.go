// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// answer is the newest status of a pod. The status is never changed.
type answer struct {
	status   *statusapi.Status
	received time.Time
}

// judge hands everything that is known of the mesh to the evidence, and asks the pods again of which it wants to hear more.
func (m *mesh) judge(o topology.Objects, compiled topology.Result, pods []corev1.Pod, facts map[string]evidence.Facts, errands map[string]string) evidence.Verdict {
	m.verdict = evidence.Judge(evidence.Input{
		Objects: o, Compiled: compiled, Namespace: m.namespace,
		Observations: m.observations(pods), Facts: m.withHolders(facts),
		Waiting: m.waiting(), MeshFaults: m.unfits(), Errands: errands, Previous: m.verdict, Now: m.now(), Started: m.started,
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pod := range m.verdict.AskAgain {
		m.mu.asked[pod] = true
		if wake := m.mu.wakers[pod]; wake != nil {
			wake()
		}
	}
	return m.verdict
}

// observations joins what the cluster says of the pods with what they say themselves.
func (m *mesh) observations(pods []corev1.Pod) map[string]evidence.Observation {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[string]evidence.Observation, len(pods))
	for i := range pods {
		a := m.mu.answers[pods[i].Name]
		out[pods[i].Name] = evidence.Observation{Pod: podState(&pods[i]), Status: a.status, Received: a.received, Rejected: m.mu.refused[pods[i].Name]}
	}
	return out
}

// podState reduces what the kubelet reports to what the evidence knows.
func podState(p *corev1.Pod) evidence.PodState {
	if p.DeletionTimestamp != nil {
		return evidence.PodTerminating
	}
	for _, c := range p.Status.ContainerStatuses {
		if w := c.State.Waiting; w != nil && slices.Contains(imageReasons, w.Reason) {
			return evidence.PodImageUnavailable
		}
		if c.State.Waiting != nil || c.State.Terminated != nil {
			return evidence.PodPending // the phase stays Running between the crashes of a container
		}
	}
	if p.Status.Phase == corev1.PodRunning {
		return evidence.PodRunning
	}
	return evidence.PodPending
}

// imageReasons are the kubelet's words for an image that it can't get.
var imageReasons = []string{
	"ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable",
}

// learn takes what the controller of BrokerNodes found out about a node.
func (m *mesh) learn(node string, f evidence.Facts) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if was, ok := m.mu.facts[node]; ok && was == f {
		return
	}
	m.mu.facts[node] = f
	m.kick()
}

func (m *mesh) facts() map[string]evidence.Facts {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.mu.facts)
}

func (m *mesh) failovers() map[string]topology.Failover {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.mu.failovers)
}

func (m *mesh) waiting() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.mu.waiting)
}

// unfit takes why objects of a BrokerMesh couldn't be written; empty if all could.
func (m *mesh) unfit(name, words string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.unfit[name] != words {
		m.mu.unfit[name] = words
		m.kick()
	}
}

func (m *mesh) unfits() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.mu.unfit)
}

// trusted is part of conversation.
func (m *mesh) trusted() *meshTrust { return m.trust.manager(m.namespace) }

// offered is part of conversation.
func (m *mesh) offered(pod string) (offer, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.mu.offers[pod]
	return o, ok
}

// offer says what a pod should run, once its ConfigMap says the same. The pod's poller looks at once if that is news.
func (m *mesh) offer(pod string, o offer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if was, ok := m.mu.offers[pod]; ok && was.hash == o.hash && was.config.Revision == o.config.Revision {
		return
	}
	m.mu.offers[pod] = o
	delete(m.mu.refused, pod)
	if wake := m.mu.wakers[pod]; wake != nil {
		wake()
	}
}

// longSilence is what an answer ends that counts as news whatever it says: the evidence may have grown too old in the meantime.
const longSilence = evidence.MaxAge / 2

// heard is part of conversation. Only news makes a new view: traffic and time alone don't.
func (m *mesh) heard(pod string, status statusapi.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was, now := m.mu.answers[pod], m.now()
	m.mu.answers[pod] = answer{status: &status, received: now}
	m.mu.skills[pod] = skills{status.ConfigVersions, status.Features}
	wanted := m.mu.asked[pod] || was.status == nil || now.Sub(was.received) >= longSilence
	delete(m.mu.asked, pod)
	if wanted || was.status.Instance != status.Instance || was.status.Generation != status.Generation {
		m.kick()
	}
}

// refused is part of conversation.
func (m *mesh) refused(pod, words string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.refused[pod] != words {
		m.mu.refused[pod] = words
		m.kick()
	}
}

// withHolders adds which nodes hold up a rotation.
func (m *mesh) withHolders(facts map[string]evidence.Facts) map[string]evidence.Facts {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := maps.Clone(facts)
	for node, words := range m.mu.holders {
		f := out[node]
		f.HoldsUpRotation = words
		out[node] = f
	}
	return out
}
