// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// says waits until conditions of an object have a reason.
func (w *world) says(o client.Object, name string, reason v1alpha1.Reason, kinds ...string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%T %s: %s", o, name, reason), func() error {
		if err := w.get(name, o); err != nil {
			return err
		}
		var all []metav1.Condition
		switch o := o.(type) {
		case *v1alpha1.BrokerNode:
			all = o.Status.Conditions
		case *v1alpha1.Peering:
			all = o.Status.Conditions
		case *v1alpha1.DataStore:
			all = o.Status.Conditions
		}
		var errs []error
		for _, kind := range kinds {
			if c := apimeta.FindStatusCondition(all, kind); c == nil || c.Reason != string(reason) {
				errs = append(errs, fmt.Errorf("%s: %+v", kind, c))
			}
		}
		return errors.Join(errs...)
	})
}

var (
	established = []string{v1alpha1.ConditionEstablished, v1alpha1.ConditionReady}
	mastered    = []string{v1alpha1.ConditionMasterAvailable, v1alpha1.ConditionReady}
	cloned      = []string{v1alpha1.ConditionClonesSynced, v1alpha1.ConditionReady}
)

func outside(n *v1alpha1.BrokerNode) { n.Spec.External = &v1alpha1.ExternalSpec{} }

// backedUp makes a DataStore ask for backups.
func backedUp(s *v1alpha1.DataStore) *v1alpha1.DataStore {
	s.Spec.Backup = &v1alpha1.BackupSpec{Schedule: "0 3 * * *", VolumeClaim: "vault"}
	return s
}

// TestFaults: what is wrong with objects shows in their conditions, each with its reason, without a pod.
func TestFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	plain, many, large := brokerNode("plain"), brokerNode("many"), brokerNode("large")
	plain.Spec.TLS = &v1alpha1.TLSSpec{Mode: v1alpha1.TLSDisabled}
	many.Spec.Replicas, large.Spec.Replicas = new(int32(2)), new(int32(100))
	for i := range 200 {
		large.Spec.Subscriptions = append(large.Spec.Subscriptions, fmt.Sprintf("%03d/%s", i, strings.Repeat("x", 60)))
	}
	disk := backedUp(dataStore("disk", "a"))
	disk.Spec.Master.Backend = v1alpha1.BackendSQLite
	disk.Spec.RestoreFrom = &v1alpha1.RestoreSpec{VolumeClaim: "vault"}
	w.create(brokerNode("a"), plain, many, large, brokerNode("e", outside), brokerNode("f", outside),
		peering("e", "f"), peering("a", "e"), peering("a", "plain"), peering("e", "a"),
		dataStore("elsewhere", "e"), dataStore("several", "many"), disk, dataStore("out", "a", "e"), backedUp(dataStore("unready", "a")))
	w.says(&v1alpha1.Peering{}, "e-f", v1alpha1.ReasonBothOutside, established...)
	w.says(&v1alpha1.Peering{}, "a-e", v1alpha1.ReasonNoAddress, established...)
	w.says(&v1alpha1.Peering{}, "a-plain", v1alpha1.ReasonTLSMismatch, established...)
	w.says(&v1alpha1.BrokerNode{}, "large", v1alpha1.ReasonConfigTooLarge, v1alpha1.ConditionConfigured)
	w.says(&v1alpha1.DataStore{}, "elsewhere", v1alpha1.ReasonRunsElsewhere, mastered...)
	w.says(&v1alpha1.DataStore{}, "several", v1alpha1.ReasonMasterNeedsOnePod, mastered...)
	w.says(&v1alpha1.DataStore{}, "disk", v1alpha1.ReasonStorageMissing, mastered...)
	w.says(&v1alpha1.DataStore{}, "disk", v1alpha1.ReasonNotCompiled, v1alpha1.ConditionBackedUp, v1alpha1.ConditionRestored)
	w.says(&v1alpha1.DataStore{}, "out", v1alpha1.ReasonRunsElsewhere, v1alpha1.ConditionClonesSynced)
	w.says(&v1alpha1.DataStore{}, "unready", v1alpha1.ReasonNodeNotReady, v1alpha1.ConditionBackedUp)

	w.create(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "a-0", Labels: manifest.Labels("a")},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: manifest.ContainerName, Image: "x"}}},
	})
	var pod corev1.Pod
	w.mustGet("a-0", &pod)
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: manifest.ContainerName,
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}}}
	if err := w.client.Status().Update(t.Context(), &pod, client.FieldOwner("kubelet")); err != nil {
		t.Fatal(err)
	}
	w.says(&v1alpha1.BrokerNode{}, "a", v1alpha1.ReasonImageUnavailable, v1alpha1.ConditionReady)

	w.appears(manifest.SecretName("e"), &corev1.Secret{})
	w.remove(&corev1.Secret{}, CASecret)
	w.says(&v1alpha1.BrokerNode{}, "e", v1alpha1.ReasonCAMissing, v1alpha1.ConditionConfigured)
}

// TestTroubles: what nodes say of their trouble shows in the conditions, each with its reason.
func TestTroubles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ahead atomic.Int64
	w.options.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	w.start()
	w.create(brokerNode("a"), brokerNode("b"), peering("a", "b"), backedUp(dataStore("s", "a", "b")))
	a, b := w.puppets.run("a"), w.puppets.run("b")
	for _, q := range []*puppet{a, b} {
		q.script(func(q *puppet) { q.epoch = 1 })
	}
	w.eventually("the master is seen", func() error { return w.masterAt("s", "a", 1, "a") })
	say := func(q *puppet, tweak func(*statusapi.Status)) { q.script(func(q *puppet) { q.tweak = tweak }) }
	var link v1alpha1.Peering
	var store v1alpha1.DataStore

	say(b, func(s *statusapi.Status) { s.Peers = nil })
	for class, reason := range map[string]v1alpha1.Reason{
		"Refused": v1alpha1.ReasonRefused, "TLSFailed": v1alpha1.ReasonTLSFailed, "Incompatible": v1alpha1.ReasonIncompatible,
	} {
		say(a, func(s *statusapi.Status) {
			for i := range s.Peers {
				s.Peers[i].State, s.Peers[i].Error, s.Peers[i].EndpointID = statusapi.PeerConnecting, class, ""
			}
		})
		w.says(&link, "a-b", reason, established...)
	}
	say(b, nil)
	say(a, func(s *statusapi.Status) {
		for i := range s.Peers {
			s.Peers[i].Dropping, s.Peers[i].DropPolicy = true, "DropOldest"
		}
	})
	w.says(&link, "a-b", v1alpha1.ReasonQueueOverflow, v1alpha1.ConditionDropping)

	master := func(change func(*statusapi.Store)) func(*statusapi.Status) {
		return func(s *statusapi.Status) {
			for i := range s.Stores {
				change(&s.Stores[i])
			}
		}
	}
	say(a, master(func(s *statusapi.Store) { s.State = statusapi.StoreFailed }))
	w.says(&store, "s", v1alpha1.ReasonBackendFailure, mastered...)
	say(a, master(func(s *statusapi.Store) { s.Conflict = "another master of it writes" }))
	w.says(&store, "s", v1alpha1.ReasonTwoMasters, mastered...)
	say(a, master(func(s *statusapi.Store) { s.Stranded = []string{"zeek"} }))
	w.says(&store, "s", v1alpha1.ReasonForeignCloneStranded, cloned...)
	say(a, nil)
	say(b, master(func(s *statusapi.Store) { s.State = statusapi.StoreStale }))
	w.says(&store, "s", v1alpha1.ReasonStale, cloned...)
	say(b, master(func(s *statusapi.Store) { s.State, s.NewHistory = statusapi.StoreStale, true }))
	w.says(&store, "s", v1alpha1.ReasonNewHistory, cloned...)

	// A person promotes b, which takes its time.
	say(b, master(func(s *statusapi.Store) { s.Refused = "" }))
	b.script(func(q *puppet) { q.foreign = true })
	w.change("s", &store, "user", func() { store.Annotations = map[string]string{v1alpha1.PromoteAnnotation: "b/2"} })
	w.says(&store, "s", v1alpha1.ReasonFailingOver, mastered...)

	b.halt()
	ahead.Store(int64(evidence.MaxAge + time.Second))
	w.says(&store, "s", v1alpha1.ReasonEvidenceTooOld, v1alpha1.ConditionBackedUp)
}
