// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// TestDecideRemoval: when a DataStore that is being deleted may go.
func TestDecideRemoval(t *testing.T) {
	waits := reportView{deleting: true, removal: true, awaited: []string{"a-0 doesn't answer", "b-0 has not begun"}}
	for name, c := range map[string]struct {
		view   reportView
		waited time.Duration
		want   removalDecision
	}{
		"not seen yet":      {},
		"not seen at all":   {waited: time.Minute, want: removalDecision{true, "Warning", "DataRetained", "files of the store may be left after 1m0s: no node was asked in time"}},
		"not compiled anew": {view: reportView{identity: identity{uid: "x"}}},
		"at fault":          {view: reportView{deleting: true}, want: removalDecision{release: true}},
		"under way":         {view: waits, waited: 59 * time.Second},
		"done":              {view: reportView{deleting: true, removal: true}, want: removalDecision{true, "Normal", "DataRemoved", "the files of the store are removed"}},
		"too long": {view: waits, waited: time.Minute,
			want: removalDecision{true, "Warning", "DataRetained", "files of the store may be left after 1m0s: a-0 doesn't answer; b-0 has not begun"}},
	} {
		if got := decideRemoval(c.view, c.waited); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func stored(n *v1alpha1.BrokerNode) {
	n.Spec.Storage = &v1alpha1.StorageSpec{Size: resource.MustParse("1Gi")}
}

// deletable is a persistent store whose data goes with it.
func deletable(name, master string, clones ...string) *v1alpha1.DataStore {
	s := dataStore(name, master, clones...)
	s.Spec.Master.Backend, s.Spec.DeletionPolicy = v1alpha1.BackendSQLite, v1alpha1.DeletionDelete
	return s
}

func (w *world) finalizers(name string, want ...string) error {
	var s v1alpha1.DataStore
	if err := w.get(name, &s); err != nil {
		return err
	}
	if !slices.Equal(s.Finalizers, want) {
		return fmt.Errorf("finalizers %q", s.Finalizers)
	}
	return nil
}

func (w *world) storeGone(name string) error {
	err := w.get(name, &v1alpha1.DataStore{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return errors.Join(err, errors.New("it is there"))
}

func (w *world) deleteStores(names ...string) {
	w.t.Helper()
	for _, name := range names {
		s := dataStore(name, "a")
		s.Namespace = w.namespace
		if err := w.client.Delete(w.t.Context(), s); err != nil {
			w.t.Fatal(err)
		}
	}
}

// removing wants a pod's config to tell it to remove the files of a store.
func (q *puppet) removing(store string) error {
	if configs := q.configs(); len(configs) > 0 {
		for _, s := range configs[len(configs)-1].Stores {
			if s.Object == store && s.Remove {
				return nil
			}
		}
	}
	return errors.New("it has no such config")
}

// TestDeletionOfData deletes stores with their files: the finalizer is there for those alone, and goes when both nodes have removed them.
func TestDeletionOfData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	kept := deletable("kept", "a", "b")
	kept.Spec.DeletionPolicy = ""
	w.create(brokerNode("a", stored), brokerNode("b", stored), peering("a", "b"), deletable("s", "a", "b"), deletable("twin", "a"), kept)
	a, b := w.puppets.run("a"), w.puppets.run("b")
	w.eventually("the stores are well", func() error {
		return errors.Join(w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonAllSynced), w.storeIs("kept", metav1.ConditionTrue, v1alpha1.ReasonAllSynced))
	})
	w.eventually("only what asks for it has a finalizer", func() error {
		return errors.Join(w.finalizers("s", v1alpha1.DataFinalizer), w.finalizers("twin", v1alpha1.DataFinalizer), w.finalizers("kept"))
	})

	// A store that changes its mind goes at once, with its files left.
	var twin v1alpha1.DataStore
	w.change("twin", &twin, "user", func() { twin.Spec.DeletionPolicy = v1alpha1.DeletionRetain })
	w.eventually("it has none any more", func() error { return w.finalizers("twin") })

	b.script(func(q *puppet) { q.clings = true })
	w.deleteStores("s", "kept", "twin")
	w.eventually("those without finalizers are gone", func() error { return errors.Join(w.storeGone("kept"), w.storeGone("twin")) })
	w.eventually("both nodes are told", func() error { return errors.Join(a.removing("s"), b.removing("s")) })
	w.eventually("it says what it waits for", func() error {
		return errors.Join(w.storeIs("s", metav1.ConditionFalse, v1alpha1.ReasonDeleting), w.masterSays("s", "b-0 can't remove them"))
	})
	b.script(func(q *puppet) { q.clings = false })
	w.eventually("it is gone", func() error { return w.storeGone("s") })
	w.event("DataRemoved", "the files of the store are removed")
	w.eventually("the nodes forget it", func() error {
		for _, q := range []*puppet{a, b} {
			if q.removing("s") == nil {
				return errors.New("not yet")
			}
		}
		return nil
	})
}

// TestDeletionOfDataGivesUp deletes a store whose node can't be reached.
func TestDeletionOfDataGivesUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ahead atomic.Int64
	w.options.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	w.start()
	w.create(brokerNode("a", stored), deletable("s", "a"))
	a := w.puppets.run("a")
	w.eventually("the store is well", func() error {
		return errors.Join(w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonAllSynced), w.finalizers("s", v1alpha1.DataFinalizer))
	})
	a.halt()
	w.deleteStores("s")
	w.eventually("it waits", func() error { return w.storeIs("s", metav1.ConditionFalse, v1alpha1.ReasonDeleting) })
	ahead.Store(int64(removalTime))
	w.eventually("it is gone", func() error {
		var s v1alpha1.DataStore
		if err := w.get("s", &s); err == nil {
			s.Annotations = map[string]string{"look": "again"} // the manager waits by the real clock
			_ = w.client.Update(t.Context(), &s)               // it may be gone by now
		}
		return w.storeGone("s")
	})
	w.event("DataRetained", "a-0")
}
