// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
)

// TestJoinsByLabel adds a worker to a mesh that is wired by labels: its BrokerNode is all that is made, and it is joined, has a clone, and
// nobody else's config was written.
func TestJoinsByLabel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	workers := &v1alpha1.NodeSelector{MatchLabels: map[string]v1alpha1.LabelValue{"role": "worker"}}
	star := peering("workers", "hub")
	star.Spec.From = v1alpha1.PeeringFrom{Selector: workers}
	store := dataStore("s", "hub")
	store.Spec.Clones = []v1alpha1.CloneSpec{{Selector: workers}}
	w.create(brokerNode("hub"), brokerNode("a", worker), star, store)
	w.puppets.run("hub")
	w.puppets.run("a")
	w.eventually("the first worker is joined", func() error {
		return errors.Join(w.linksAre("workers-hub", "1/1", v1alpha1.ReasonBothEndsAgree), w.clonesAre("s", "1/1"))
	})
	before := len(w.requests.writes())

	w.create(brokerNode("b", worker))
	w.puppets.run("b")
	w.eventually("the second worker is joined", func() error {
		return errors.Join(w.linksAre("workers-hub", "2/2", v1alpha1.ReasonBothEndsAgree), w.clonesAre("s", "2/2"), w.nodeReady("b"))
	})
	for _, write := range w.requests.writes()[before:] {
		if slices.ContainsFunc([]string{"hub", "a"}, func(node string) bool { return strings.HasSuffix(write, "/configmaps/"+manifest.ConfigMapName(node)) }) {
			t.Errorf("wrote %s", write)
		}
	}

	node := w.node("b")
	w.change("b", node, "user", func() { node.Labels = nil })
	w.eventually("it leaves with its label", func() error {
		return errors.Join(w.linksAre("workers-hub", "1/1", v1alpha1.ReasonBothEndsAgree), w.clonesAre("s", "1/1"))
	})
}

func worker(n *v1alpha1.BrokerNode) { n.Labels = map[string]string{"role": "worker"} }

func (w *world) clonesAre(store, synced string) error {
	var s v1alpha1.DataStore
	if err := w.get(store, &s); err != nil {
		return err
	}
	if s.Status.ClonesSynced != synced {
		return errors.New("clones " + s.Status.ClonesSynced)
	}
	return w.storeIs(store, metav1.ConditionTrue, v1alpha1.ReasonAllSynced)
}
