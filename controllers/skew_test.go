// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// TestReadable: which document a pod's mount has.
func TestReadable(t *testing.T) {
	plan := func(c nodeconfig.Config) topology.PodPlan {
		c.Version, c.Namespace, c.Node, c.Pod = 1, "demo", "a", "a-0"
		return topology.PodPlan{Pod: "a-0", Config: c, Hash: c.Hash()}
	}
	mount := func(c nodeconfig.Config) *corev1.ConfigMap {
		c = plan(c).Config
		c.Revision = 3
		return &corev1.ConfigMap{Data: map[string]string{"a-0.json": string(c.Canonical())}}
	}
	plain, queues := nodeconfig.Config{Subscriptions: []string{"x/"}}, nodeconfig.Config{Queues: &nodeconfig.Queues{PeerMessages: 5}}
	for name, c := range map[string]struct {
		now  nodeconfig.Config
		skew skew
		live *corev1.ConfigMap
		old  bool
	}{
		"it reads it":                    {queues, skewNone, mount(plain), false},
		"it doesn't":                     {queues, skewBehind, mount(plain), true},
		"not known, and it may not":      {queues, skewUnheard, mount(plain), true},
		"not known, and it does":         {plain, skewUnheard, mount(nodeconfig.Config{}), false},
		"not known, and it had the like": {queues, skewUnheard, mount(queues), false},
		"it had none":                    {queues, skewBehind, nil, false},
		"what it had is broken":          {queues, skewBehind, &corev1.ConfigMap{Data: map[string]string{"a-0.json": "{"}}, false},
		"it had none in this one":        {queues, skewBehind, &corev1.ConfigMap{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan(c.now)
			got, hash := readable(p, c.skew, c.live)
			if (hash != p.Hash) != c.old || got.Hash() != hash {
				t.Errorf("%+v, %s", got, hash)
			}
		})
	}
}

// TestSkew has nodes of the two minor versions before this operator's, of its own, of the one that follows, and of one that doesn't read
// its configs any more. Each gets what it reads, and keeps what it has where it doesn't read what it should have; its status says so.
func TestSkew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	known := nodeconfig.KnownFeatures()
	former := slices.DeleteFunc(slices.Clone(known), func(f string) bool { return f == nodeconfig.FeatureConnectionsPerAddress })
	nodes := []struct {
		name     string
		versions []int
		features []string
		takes    int // how many of the changes below
	}{
		{"two-before", []int{1}, nil, 1},
		{"one-before", []int{1}, former, 2},
		{"own", []int{1}, known, 3},
		{"one-after", []int{1, 2}, append([]string{"Another"}, known...), 3},
		{"too-new", []int{2}, known, 0},
	}
	pods := make(map[string]*puppet)
	for _, n := range nodes {
		node := brokerNode(n.name)
		node.Spec.WebSocket = &v1alpha1.WebSocketSpec{}
		w.create(node)
	}
	for _, n := range nodes {
		pods[n.name] = w.puppets.run(n.name)
		pods[n.name].script(func(q *puppet) { q.versions, q.features = n.versions, n.features })
	}
	changes := []func(*v1alpha1.BrokerNodeSpec){
		func(s *v1alpha1.BrokerNodeSpec) { s.Subscriptions = []string{"x/"} },
		func(s *v1alpha1.BrokerNodeSpec) { s.WebSocket.Limits = &v1alpha1.WebSocketLimits{Connections: 7} },
		func(s *v1alpha1.BrokerNodeSpec) { s.WebSocket.Limits.ConnectionsPerAddress = 3 },
	}
	for i, change := range changes {
		for _, n := range nodes {
			node := w.node(n.name)
			w.change(n.name, node, "user", func() { change(&node.Spec) })
		}
		for _, n := range nodes {
			w.eventually(fmt.Sprintf("%s after change %d", n.name, i+1), func() error { return w.skewed(pods[n.name], i, n.takes) })
		}
	}
	// Another manager finds the documents as they are, and changes none.
	before := w.documentsOf(nodes[0].name, nodes[1].name, nodes[2].name)
	writes := len(w.requests.writes())
	w.again(func() {})
	w.moreAnswers(map[string]*puppet{"a": pods["two-before"], "b": pods["one-before"], "c": pods["own"]}, 2, true)
	if after := w.documentsOf(nodes[0].name, nodes[1].name, nodes[2].name); !slices.Equal(before, after) {
		t.Errorf("documents %q, then %q", before, after)
	}
	for _, r := range w.requests.writes()[writes:] {
		if hasAll(r, []string{"/configmaps/"}) {
			t.Error(r)
		}
	}
}

// skewed wants a puppet to be as it should after the i-th change, if it can take so many.
func (w *world) skewed(q *puppet, i, takes int) error {
	q.all.mu.Lock()
	now := q.config
	q.all.mu.Unlock()
	has := 0
	switch web := now.WebSocket; {
	case web != nil && web.Limits != nil && web.Limits.ConnectionsPerAddress == 3:
		has = 3
	case web != nil && web.Limits != nil:
		has = 2
	case len(now.Subscriptions) > 0:
		has = 1
	}
	if has != min(i+1, takes) {
		return fmt.Errorf("it has %s", now.Canonical())
	}
	status, reason := metav1.ConditionTrue, v1alpha1.ReasonApplied
	if i >= takes {
		status, reason = metav1.ConditionFalse, v1alpha1.ReasonNeedsNewerNode
	}
	return errors.Join(condition(w.node(q.node).Status.Conditions, v1alpha1.ConditionConfigured, status, string(reason)), w.mounts(q, now, takes))
}

// mounts wants the document in the mount of a puppet to be the one that it runs, if it has ever taken one.
func (w *world) mounts(q *puppet, now nodeconfig.Config, takes int) error {
	if takes == 0 {
		return nil
	}
	if c, err := nodeconfig.Parse([]byte(w.documentsOf(q.node)[0])); err != nil || c.Hash() != now.Hash() {
		return fmt.Errorf("its mount has %s: %w", c.Canonical(), err)
	}
	return nil
}

// documentsOf are those of the first pods of nodes.
func (w *world) documentsOf(nodes ...string) (out []string) {
	w.t.Helper()
	for _, node := range nodes {
		var m corev1.ConfigMap
		w.mustGet(manifest.ConfigMapName(node), &m)
		out = append(out, m.Data[manifest.ConfigKey(manifest.PodName(node, 0))])
	}
	return out
}
