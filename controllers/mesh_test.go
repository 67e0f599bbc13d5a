// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/manifest"
)

func brokerNode(name string, mods ...func(*v1alpha1.BrokerNode)) *v1alpha1.BrokerNode {
	n := &v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, mod := range mods {
		mod(n)
	}
	return n
}

func peering(from, to string) *v1alpha1.Peering {
	return &v1alpha1.Peering{
		ObjectMeta: metav1.ObjectMeta{Name: from + "-" + to},
		Spec:       v1alpha1.PeeringSpec{From: v1alpha1.PeeringFrom{Node: from}, To: v1alpha1.PeeringTo{Node: to}},
	}
}

func dataStore(name, master string, clones ...string) *v1alpha1.DataStore {
	s := &v1alpha1.DataStore{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.DataStoreSpec{Master: v1alpha1.MasterSpec{Node: master, Backend: v1alpha1.BackendMemory}},
	}
	for _, c := range clones {
		s.Spec.Clones = append(s.Spec.Clones, v1alpha1.CloneSpec{Node: c})
	}
	return s
}

func (w *world) nodeReady(name string) error {
	var n v1alpha1.BrokerNode
	if err := w.get(name, &n); err != nil {
		return err
	}
	return errors.Join(
		condition(n.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, string(v1alpha1.ReasonListening)),
		condition(n.Status.Conditions, v1alpha1.ConditionConfigured, metav1.ConditionTrue, string(v1alpha1.ReasonApplied)))
}

func (w *world) peeringIs(name string, status metav1.ConditionStatus, reason v1alpha1.Reason) error {
	var p v1alpha1.Peering
	if err := w.get(name, &p); err != nil {
		return err
	}
	return condition(p.Status.Conditions, v1alpha1.ConditionEstablished, status, string(reason))
}

func (w *world) storeIs(name string, status metav1.ConditionStatus, reason v1alpha1.Reason) error {
	var s v1alpha1.DataStore
	if err := w.get(name, &s); err != nil {
		return err
	}
	return condition(s.Status.Conditions, v1alpha1.ConditionReady, status, string(reason))
}

// triangle makes three nodes, two peerings and a store, with pods, and waits until all is well.
func (w *world) triangle() map[string]*puppet {
	w.t.Helper()
	w.create(brokerNode("a"), brokerNode("b"), brokerNode("c"), peering("a", "b"), peering("c", "b"), dataStore("s", "b", "a", "c"))
	pods := map[string]*puppet{"a": w.puppets.run("a"), "b": w.puppets.run("b"), "c": w.puppets.run("c")}
	w.healthy()
	return pods
}

func (w *world) healthy() {
	w.t.Helper()
	w.eventually("the triangle is well", func() error {
		var errs []error
		for _, n := range []string{"a", "b", "c"} {
			if err := w.nodeReady(n); err != nil {
				errs = append(errs, fmt.Errorf("node %s: %w", n, err))
			}
		}
		errs = append(errs, w.peeringIs("a-b", metav1.ConditionTrue, v1alpha1.ReasonBothEndsAgree),
			w.peeringIs("c-b", metav1.ConditionTrue, v1alpha1.ReasonBothEndsAgree),
			w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonAllSynced))
		return errors.Join(errs...)
	})
}

// moreAnswers waits until every pod has answered n more times. With news each answer comes at once, without after ten seconds.
func (w *world) moreAnswers(pods map[string]*puppet, n int, news bool) {
	w.t.Helper()
	before := make(map[string]int)
	for name, p := range pods {
		before[name] = p.answers()
	}
	seen := 0
	w.eventually("more answers", func() error {
		least := n
		for name, p := range pods {
			least = min(least, p.answers()-before[name])
		}
		if least >= n {
			return nil
		}
		if news && least >= seen {
			seen = least + 1
			for _, p := range pods { // a new generation with the same contents: traffic, as far as conditions go
				p.script(func(*puppet) {})
				break
			}
		}
		return fmt.Errorf("%d of %d", least, n)
	})
}

// TestQuiet counts what a healthy mesh costs the API server, busy and idle, and what a new manager costs it.
func TestQuiet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	pods := w.triangle()
	w.moreAnswers(pods, 4, true) // the last events are written by then
	before := w.requests.writes()

	w.moreAnswers(pods, 10, true)
	if got := w.requests.writes()[len(before):]; len(got) > 0 {
		t.Errorf("writes of a busy mesh: %q", got)
	}
	w.moreAnswers(pods, 1, false)
	if got := w.requests.writes()[len(before):]; len(got) > 0 {
		t.Errorf("writes of an idle mesh: %q", got)
	}

	w.stop()
	w.requests = &requests{}
	w.start()
	w.moreAnswers(pods, 6, true)
	if got := w.requests.writes(); len(got) > 0 {
		t.Errorf("writes of a new manager: %q", got)
	}
	w.healthy()
}

// TestPeeringReachesRunningPods adds and removes a Peering, and looks at what was written for it.
func TestPeeringReachesRunningPods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	pods := w.triangle()
	w.moreAnswers(pods, 4, true)
	before, revision := len(w.requests.writes()), w.revision("a")
	took := len(pods["b"].configs())

	extra := peering("a", "c")
	w.create(extra)
	w.eventually("the new peering", func() error {
		return w.peeringIs("a-c", metav1.ConditionTrue, v1alpha1.ReasonBothEndsAgree)
	})
	configs := pods["a"].configs()
	if last := configs[len(configs)-1]; len(last.Peers) != 2 || last.Revision != revision+1 || w.revision("a") != revision+1 {
		t.Errorf("pod a has %d peers, revision %d; its ConfigMap %d; want 2 and %d", len(last.Peers), last.Revision, w.revision("a"), revision+1)
	}
	if err := w.client.Delete(t.Context(), extra); err != nil {
		t.Fatal(err)
	}
	w.eventually("pod a has one peer again", func() error {
		configs := pods["a"].configs()
		if last := configs[len(configs)-1]; len(last.Peers) != 1 || last.Revision != revision+2 {
			return fmt.Errorf("%d peers at revision %d", len(last.Peers), last.Revision)
		}
		return nil
	})
	w.healthy()
	if n := len(pods["b"].configs()); n != took {
		t.Errorf("pod b, whose config is the same, was given it %d times more", n-took)
	}
	for _, r := range w.requests.writes()[before:] {
		if !strings.Contains(r, "/configmaps/a-config") && !strings.HasSuffix(r, "/status") && !strings.Contains(r, "/events") {
			t.Errorf("written: %s", r)
		}
	}
	w.event("Updated", "ConfigMap a-config")
}

func (w *world) revision(node string) int64 {
	w.t.Helper()
	var c corev1.ConfigMap
	w.mustGet(manifest.ConfigMapName(node), &c)
	n, err := strconv.ParseInt(c.Annotations[manifest.RevisionAnnotation], 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestLostConfigMap removes a ConfigMap: the next one has a higher revision all the same, because the pod remembers the last.
func TestLostConfigMap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.triangle()
	before := w.revision("a")
	if err := w.client.Delete(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "a-config"}}); err != nil {
		t.Fatal(err)
	}
	w.appears("a-config", &corev1.ConfigMap{})
	if got := w.revision("a"); got != before+1 {
		t.Errorf("revision %d after %d", got, before)
	}
}

func TestRefusedConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	pods := w.triangle()
	pods["a"].script(func(q *puppet) { q.refuse = "the moon is full" })
	node := w.node("a")
	w.change("a", node, "user", func() { node.Spec.Subscriptions = []string{"x/"} })
	w.eventually("the refusal shows", func() error {
		c := w.node("a").Status.Conditions
		if err := condition(c, v1alpha1.ConditionConfigured, metav1.ConditionFalse, string(v1alpha1.ReasonRejected)); err != nil {
			return err
		}
		return condition(c, v1alpha1.ConditionReady, metav1.ConditionTrue, string(v1alpha1.ReasonListening))
	})
	w.event(string(v1alpha1.ReasonRejected), "the moon is full")

	pods["a"].script(func(q *puppet) { q.refuse = "" })
	w.change("a", node, "user", func() { node.Spec.Subscriptions = []string{"y/"} })
	w.healthy()
}

// TestFaultsStopNothingElse has a Peering without its node, one that is there twice, and a store without a path.
func TestFaultsStopNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	twice := peering("b", "a")
	w.create(peering("a", "bee"), dataStore("far", "a", "c2"))
	pods := w.triangle()
	w.create(twice, dataStore("second", "a"), brokerNode("c2"))
	w.puppets.run("c2")
	w.eventually("the faults show", func() error {
		return errors.Join(
			w.peeringIs("a-bee", metav1.ConditionFalse, v1alpha1.ReasonNodeMissing),
			w.peeringIs("b-a", metav1.ConditionFalse, v1alpha1.ReasonDuplicate),
			w.storeIs("far", metav1.ConditionFalse, v1alpha1.ReasonUnreachable),
			w.storeIs("second", metav1.ConditionTrue, v1alpha1.ReasonAllSynced),
		)
	})
	w.healthy()
	w.create(brokerNode("bee"))
	pods["bee"] = w.puppets.run("bee")
	w.eventually("the missing node has come", func() error {
		return w.peeringIs("a-bee", metav1.ConditionTrue, v1alpha1.ReasonBothEndsAgree)
	})
}

// TestEndsDisagree has one end that doesn't report the other.
func TestEndsDisagree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	pods := w.triangle()
	pods["c"].script(func(q *puppet) { q.deaf = true })
	w.eventually("the disagreement shows", func() error {
		return w.peeringIs("c-b", metav1.ConditionFalse, v1alpha1.ReasonEndsDisagree)
	})
	if err := w.peeringIs("a-b", metav1.ConditionTrue, v1alpha1.ReasonBothEndsAgree); err != nil {
		t.Error(err)
	}
	pods["c"].script(func(q *puppet) { q.deaf = false })
	w.healthy()
}

// TestSilence takes one pod away without a word, and lets the manager's clock run on. Only what nobody speaks for any more turns
// Unknown, and it comes back by itself.
func TestSilence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ahead atomic.Int64
	w.options.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	w.start()
	pods := w.triangle()
	pods["c"].halt()
	ahead.Store(int64(evidence.MaxAge + time.Second))
	pods["a"].script(func(*puppet) {}) // a and b answer once more

	w.eventually("node c is Unknown, the others are well", func() error {
		return errors.Join(
			condition(w.node("c").Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionUnknown, string(v1alpha1.ReasonEvidenceTooOld)),
			w.peeringIs("c-b", metav1.ConditionUnknown, v1alpha1.ReasonEvidenceTooOld),
			w.nodeReady("a"), w.nodeReady("b"),
			w.peeringIs("a-b", metav1.ConditionTrue, v1alpha1.ReasonBothEndsAgree),
		)
	})
	w.event(string(v1alpha1.ReasonEvidenceTooOld), "c-0")
	pods["c"].serve()
	w.healthy()
}
