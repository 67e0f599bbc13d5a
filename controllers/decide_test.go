// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"log/slog"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

func TestNodeImage(t *testing.T) {
	live := manifest.Build(manifest.Input{Node: brokerNode("a"), Image: "r/node:v1.3.0"}).StatefulSet
	for name, c := range map[string]struct {
		spec, status string
		live         bool
		own          string
		want         string
	}{
		"first":                     {own: "r/node:v1.0.0", want: "r/node:v1.0.0"},
		"user's":                    {spec: "mine:x", status: "r/node:v1.0.0", own: "r/node:v1.1.0", want: "mine:x"},
		"kept":                      {status: "r/node:v1.0.0", own: "r/node:v1.2.9", want: "r/node:v1.0.0"},
		"kept, status lost":         {live: true, own: "r/node:v1.4.0", want: "r/node:v1.3.0"},
		"three minor versions":      {status: "r/node:v1.0.0", own: "r/node:v1.3.0", want: "r/node:v1.3.0"},
		"major version":             {status: "r/node:v1.9.0", own: "r/node:v2.0.0", want: "r/node:v2.0.0"},
		"newer than the operator":   {status: "r/node:v1.9.0", own: "r/node:v1.2.0", want: "r/node:v1.9.0"},
		"not a version":             {status: "r/node:dev", own: "r/node:v1.9.0", want: "r/node:dev"},
		"a port is not a version":   {status: "r:5000/node", own: "r/node:v9.0.0", want: "r:5000/node"},
		"versions with more behind": {status: "r/node:1.0.0-rc.1", own: "r/node:v1.5.0-7-gabc", want: "r/node:v1.5.0-7-gabc"},
	} {
		t.Run(name, func(t *testing.T) {
			n := brokerNode("a")
			n.Spec.Image, n.Status.Image = c.spec, c.status
			set := live
			if !c.live {
				set = nil
			}
			if got := nodeImage(n, set, c.own); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func planned(subscriptions ...string) nodeView {
	config := nodeconfig.Config{Version: 1, Namespace: "demo", Node: "a", Pod: "a-0", Subscriptions: subscriptions}
	return nodeView{plan: topology.NodePlan{Node: "a", Pods: []topology.PodPlan{{Pod: "a-0", Config: config, Hash: config.Hash()}}}}
}

func TestDocuments(t *testing.T) {
	holding := func(nv nodeView, revision string) *corev1.ConfigMap {
		config := nv.plan.Pods[0].Config
		config.Revision = 5
		return &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{manifest.RevisionAnnotation: revision}},
			Data:       map[string]string{"a-0.json": string(config.Canonical())},
		}
	}
	broken := holding(planned(), "5")
	broken.Data["a-0.json"] = "{"
	more := holding(planned(), "5")
	more.Data["a-1.json"] = more.Data["a-0.json"]
	for name, c := range map[string]struct {
		live     *corev1.ConfigMap
		reported int64
		want     int64
	}{
		"first":                     {nil, 0, 1},
		"lost, but a pod remembers": {nil, 7, 8},
		"unchanged":                 {holding(planned(), "5"), 5, 5},
		"changed":                   {holding(planned("x/"), "5"), 5, 6},
		"annotation lost":           {holding(planned(), ""), 5, 6},
		"annotation of another":     {holding(planned(), "4"), 5, 6},
		"somebody's edit":           {broken, 0, 6},
		"a pod too many":            {more, 0, 6},
	} {
		t.Run(name, func(t *testing.T) {
			got := documents(planned(), c.live, c.reported)
			if got.revision != c.want {
				t.Errorf("revision %d, want %d", got.revision, c.want)
			}
			config, err := nodeconfig.Parse(got.documents["a-0"])
			if err != nil || config.Revision != c.want || config.Hash() != got.offers["a-0"].hash || got.offers["a-0"].config.Revision != c.want {
				t.Errorf("document %s (%v), offer %+v", got.documents["a-0"], err, got.offers["a-0"])
			}
		})
	}
}

func TestWants(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	o := offer{config: nodeconfig.Config{Version: 1}, hash: "new"}
	known := func(hash string, versions ...int) statusapi.Status {
		return statusapi.Status{Instance: "i", ConfigHash: hash, ConfigVersions: versions}
	}
	for name, c := range map[string]struct {
		known  statusapi.Status
		pushed pushRecord
		want   bool
	}{
		"has it":                                {known("new", 1), pushRecord{}, false},
		"another one":                           {known("old", 1), pushRecord{}, true},
		"can't read it":                         {known("old", 2), pushRecord{}, false},
		"refused it":                            {known("old", 1), pushRecord{"i", "new", true, now.Add(-time.Hour)}, false},
		"refused another one":                   {known("old", 1), pushRecord{"i", "other", true, now}, true},
		"refused it before it was started anew": {known("old", 1), pushRecord{"h", "new", true, now}, true},
		"took it just now":                      {known("old", 1), pushRecord{"i", "new", false, now.Add(-time.Second)}, false},
		"took it and still has another":         {known("old", 1), pushRecord{"i", "new", false, now.Add(-pushAgain)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := poller{known: c.known, pushed: c.pushed}
			if got := p.wants(o, now); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// TestWantsFeatures: a document isn't pushed to a node that doesn't know what it says.
func TestWantsFeatures(t *testing.T) {
	o := offer{config: nodeconfig.Config{Version: 1, TLS: nodeconfig.TLSAnonymous}, hash: "new"}
	for _, features := range [][]string{nil, {nodeconfig.FeaturePeerTLS}, nodeconfig.KnownFeatures()} {
		p := poller{known: statusapi.Status{Instance: "i", ConfigHash: "old", ConfigVersions: []int{1}, Features: features}}
		if got, want := p.wants(o, time.Now()), len(features) > 1; got != want {
			t.Errorf("with %v: %v", features, got)
		}
	}
}

func TestPodState(t *testing.T) {
	waiting := func(reason string) []corev1.ContainerStatus {
		return []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}}
	}
	for name, c := range map[string]struct {
		pod  corev1.Pod
		want evidence.PodState
	}{
		"pending":    {corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodPending}}, evidence.PodPending},
		"no image":   {corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: waiting("ImagePullBackOff")}}, evidence.PodImageUnavailable},
		"creating":   {corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: waiting("ContainerCreating")}}, evidence.PodPending},
		"running":    {corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodRunning}}, evidence.PodRunning},
		"crashes":    {corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: waiting("CrashLoopBackOff")}}, evidence.PodPending},
		"failed":     {corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodFailed}}, evidence.PodPending},
		"on its way": {corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{}}, Status: corev1.PodStatus{Phase: corev1.PodRunning}}, evidence.PodTerminating},
	} {
		t.Run(name, func(t *testing.T) {
			if got := podState(&c.pod); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestNewest(t *testing.T) {
	object := func(uid types.UID, version string) *v1alpha1.BrokerNode {
		n := brokerNode("a")
		n.Namespace, n.UID, n.ResourceVersion = "demo", uid, version
		return n
	}
	var w written
	w.record(object("u", "9"))
	if got := w.newest(object("u", "8")); got.GetResourceVersion() != "9" {
		t.Errorf("an old cache: %s, want our own write", got.GetResourceVersion())
	}
	if got := w.newest(object("u", "10")); got.GetResourceVersion() != "10" {
		t.Errorf("a new cache: %s, want the cache", got.GetResourceVersion())
	}
	if got := w.newest(object("u", "8")); got.GetResourceVersion() != "8" {
		t.Error("a write is remembered after the cache has caught up")
	}
	w.record(object("u", "9"))
	if got := w.newest(object("another", "3")); got.GetUID() != "another" {
		t.Error("a write to an object that was deleted since counts")
	}
}

// TestNews says which answers make a mesh look again.
func TestNews(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := newMesh(&meshes{now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler)}, "demo")
	for _, c := range []struct {
		name       string
		instance   string
		generation uint64
		after      time.Duration
		asked      bool
		news       bool
	}{
		{"the first answer", "i", 1, 0, false, true},
		{"the same after the longest poll", "i", 1, statusapi.MaxWait, false, false},
		{"the same, but it was asked for", "i", 1, time.Second, true, true},
		{"the next generation", "i", 2, time.Second, false, true},
		{"another instance", "j", 2, time.Second, false, true},
		{"the same after a long silence", "j", 2, evidence.MaxAge, false, true},
		{"and nothing new", "j", 2, time.Second, false, false},
	} {
		now = now.Add(c.after)
		m.mu.asked["a-0"] = c.asked
		m.heard("a-0", statusapi.Status{Instance: c.instance, Generation: c.generation})
		news := len(m.kicks) == 1
		if news != c.news {
			t.Errorf("%s: news %v, want %v", c.name, news, c.news)
		}
		if news {
			<-m.kicks
		}
	}
}
