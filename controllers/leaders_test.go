// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/internal/seed"
	"github.com/brokermesh/brokermesh/pkg/manifest"
)

// elected runs a manager that waits for the lease of the world's namespace, until what it returns is called.
func (w *world) elected(seen *requests) (stop func()) {
	w.t.Helper()
	mgr, err := newManager(w.namespace, w.user, seen, func(o *ctrl.Options) {
		o.LeaderElection, o.LeaderElectionID, o.LeaderElectionNamespace = true, "manager.brokermesh.dev", w.namespace
		o.LeaderElectionReleaseOnCancel = true
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := Add(mgr, w.options); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the manager ended: %v", err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// deeds are the writes of a manager, other than for its lease: client-go tells of that one in Events of the core group.
func deeds(seen *requests) []string {
	return slices.DeleteFunc(seen.writes(), func(r string) bool {
		return strings.Contains(r, "/leases") || strings.HasPrefix(r, "POST /api/v1/") && strings.HasSuffix(r, "/events")
	})
}

// TestTwoManagers runs two: the one that has no lease writes nothing and asks no pod. When the first ends, the second takes over, and
// writes only what is new.
func TestTwoManagers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, err := os.ReadFile("../config/rbac/leader/leader_election_role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bound, err := os.ReadFile("../config/rbac/leader/leader_election_role_binding.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(b), strings.Replace(string(bound), "\n  namespace: brokermesh-system", "", 1)} {
		var o unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
			t.Fatal(err)
		}
		w.create(&o)
	}
	first, second := &requests{}, &requests{}
	stop := w.elected(first)
	w.create(brokerNode("probe"))
	w.appears("probe", &appsv1.StatefulSet{}) // the first leads
	w.elected(second)
	pods := w.triangle()
	w.moreAnswers(pods, 4, true)
	if got := deeds(second); len(got) > 0 {
		t.Errorf("writes of the manager that doesn't lead: %q", got)
	}
	stop()
	before := len(deeds(first))
	extra := peering("a", "c")
	w.create(extra)
	w.eventually("the new peering", func() error {
		return w.peeringIs("a-c", metav1.ConditionTrue, v1alpha1.ReasonBothEndsAgree)
	})
	w.healthy()
	for _, r := range deeds(second) {
		if strings.Contains(r, "/secrets/") || strings.Contains(r, "/statefulsets/") {
			t.Errorf("the second manager found all in place, and sent %s", r)
		}
	}
	if got := deeds(first)[before:]; len(got) > 0 {
		t.Errorf("writes of the manager that ended: %q", got)
	}
}

// TestDeletionInAnyOrder takes a mesh away in orders drawn at random. Nothing waits for anything, and nothing comes back.
func TestDeletionInAnyOrder(t *testing.T) {
	t.Parallel()
	for _, number := range seed.Several(t, 4) {
		t.Run(fmt.Sprint(number), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.start()
			w.triangle()
			meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: w.namespace, Name: name} }
			kinds := []client.Object{
				&v1alpha1.BrokerNode{ObjectMeta: meta("a")}, &v1alpha1.BrokerNode{ObjectMeta: meta("b")}, &v1alpha1.BrokerNode{ObjectMeta: meta("c")},
				&v1alpha1.Peering{ObjectMeta: meta("a-b")}, &v1alpha1.Peering{ObjectMeta: meta("c-b")}, &v1alpha1.DataStore{ObjectMeta: meta("s")},
				&corev1.Secret{ObjectMeta: meta(CASecret)}, &corev1.Secret{ObjectMeta: meta(ClientSecret)},
			}
			draw := rand.New(rand.NewPCG(number, 0))
			draw.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
			for _, o := range kinds {
				if err := w.client.Delete(t.Context(), o); err != nil {
					t.Fatalf("delete %T %s: %v", o, o.GetName(), err)
				}
				w.collect(o)
			}
			w.eventually("all is gone", func() error {
				for _, o := range kinds {
					if _, secret := o.(*corev1.Secret); secret {
						continue // one that goes before the last node comes back
					}
					if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(o), o); !apierrors.IsNotFound(err) {
						return errors.Join(err, fmt.Errorf("%T %s is there", o, o.GetName()))
					}
				}
				return nil
			})
			w.collect(nil)
			// A later node finds a namespace in which nothing is left that would be in its way.
			w.create(brokerNode("later"))
			w.eventually("a later node has its objects", func() error {
				w.collect(nil)
				return w.get("later", &appsv1.StatefulSet{})
			})
			for _, node := range []string{"a", "b", "c"} {
				for key, o := range objectsOf(node) {
					if err := w.get(nameOf(key), o); !apierrors.IsNotFound(err) {
						t.Errorf("%s is back: %v", key, err)
					}
				}
			}
		})
	}
}

// collect does what the garbage collector does for BrokerNodes that are gone: of one, or of all.
func (w *world) collect(owner client.Object) {
	w.t.Helper()
	for _, node := range []string{"a", "b", "c"} {
		if _, ok := owner.(*v1alpha1.BrokerNode); owner != nil && (!ok || owner.GetName() != node) {
			continue
		}
		objects := objectsOf(node)
		objects["Pod "+manifest.PodName(node, 0)] = &corev1.Pod{}
		for key, o := range objects {
			o.SetNamespace(w.namespace)
			o.SetName(nameOf(key))
			if err := w.client.Delete(w.t.Context(), o, client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
				w.t.Fatal(err)
			}
		}
	}
}
