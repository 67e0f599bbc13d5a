// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// mountsIs wants the pods of a node to have exactly these claims for backups.
func (w *world) mountsIs(node string, want ...string) error {
	var set appsv1.StatefulSet
	if err := w.get(node, &set); err != nil {
		return err
	}
	var got []string
	for _, m := range set.Spec.Template.Spec.Containers[0].VolumeMounts {
		if claim, ok := strings.CutPrefix(m.MountPath, "/backup/"); ok {
			got = append(got, claim)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("mounted: %q, want %q", got, want)
	}
	return nil
}

// backedUpIs wants a condition BackedUp with words in its message.
func (w *world) backedUpIs(name string, status metav1.ConditionStatus, reason v1alpha1.Reason, words string) error {
	var s v1alpha1.DataStore
	if err := w.get(name, &s); err != nil {
		return err
	}
	c := apimeta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionBackedUp)
	if c == nil || c.Status != status || c.Reason != string(reason) || !strings.Contains(c.Message, words) {
		return fmt.Errorf("BackedUp: %+v", c)
	}
	return nil
}

// storeConfig is what a pod was last told of a store.
func (q *puppet) storeConfig(store string) nodeconfig.Store {
	configs := q.configs()
	if len(configs) == 0 {
		return nodeconfig.Store{}
	}
	for _, s := range configs[len(configs)-1].Stores {
		if s.Object == store {
			return s
		}
	}
	return nodeconfig.Store{}
}

// TestBackup asks for backups of a running store: its node gets the volume by a roll with the master handed over, and the condition says
// what the node says.
func TestBackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a", stored), brokerNode("b", stored), peering("a", "b"), deletable("s", "a", "b"))
	pods := make(map[string]*puppet)
	for _, name := range []string{"a", "b"} {
		w.appears(name, &appsv1.StatefulSet{})
		w.revise(name, "r1")
		pods[name] = w.puppets.runAt(name, "r1")
		pods[name].script(func(q *puppet) { q.epoch = 1 })
	}
	w.eventually("the store is well", func() error {
		return errors.Join(w.masterAt("s", "a", 1, "a"), w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonAllSynced))
	})
	if err := w.backedUpIs("s", metav1.ConditionUnknown, "", ""); err == nil || !strings.Contains(err.Error(), "nil") {
		t.Errorf("a condition that nobody asked for: %v", err)
	}

	due := time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)
	for _, q := range pods {
		q.script(func(q *puppet) { q.backup.Next = &due })
	}
	var s v1alpha1.DataStore
	w.change("s", &s, "user", func() { s.Spec.Backup = &v1alpha1.BackupSpec{Schedule: "0 3 * * *", VolumeClaim: "vault"} })
	w.eventually("the volume of its node", func() error { return errors.Join(w.mountsIs("a", "vault"), w.mountsIs("b")) })
	w.eventually("the first is due", func() error {
		return w.backedUpIs("s", metav1.ConditionUnknown, v1alpha1.ReasonBackupPending, "2026-03-02T03:00:00Z")
	})
	if c := pods["a"].storeConfig("s"); c.BackupSchedule != "0 3 * * *" || c.BackupClaim != "vault" || c.BackupKeep != 7 {
		t.Errorf("the node is told %+v", c)
	}

	w.revise("a", "r2")
	w.eventually("the master is away", func() error {
		return w.masterIs("s", v1alpha1.MasterStatus{Node: "b", Epoch: 2, SpecNode: "a", Away: true})
	})
	w.eventually("it makes no backups there", func() error {
		if c := pods["b"].storeConfig("s"); c.Role != nodeconfig.RoleMaster || c.BackupSchedule != "" {
			return fmt.Errorf("b is told %+v", c)
		}
		return w.mountsIs("b")
	})
	w.eventually("pod a-0 is deleted", func() error { return w.gone("a-0") })
	pods["a"].script(func(q *puppet) { q.epoch, q.instance = 2, "a-second" })
	pods["a"].makePod(w, "r2", true)
	w.eventually("the master is back", func() error { return w.masterIs("s", v1alpha1.MasterStatus{Node: "a", Epoch: 3, SpecNode: "a"}) })
	pods["b"].script(func(q *puppet) { q.epoch = 3 })

	w.backupStates(pods["a"])

	w.change("s", &s, "user", func() { s.Spec.Backup = nil })
	w.eventually("no volume, no condition", func() error {
		if err := w.get("s", &s); err != nil {
			return err
		}
		if c := apimeta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionBackedUp); c != nil {
			return fmt.Errorf("%+v", c)
		}
		return w.mountsIs("a")
	})
}

// backupStates has the master of the store s say how its backups go.
func (w *world) backupStates(q *puppet) {
	w.t.Helper()
	last := time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		says   statusapi.Backup
		status metav1.ConditionStatus
		reason v1alpha1.Reason
		words  string
	}{
		{statusapi.Backup{Last: &last, File: "20260302T030000Z.jsonl.gz"}, metav1.ConditionTrue, v1alpha1.ReasonBackupTaken, "20260302T030000Z.jsonl.gz"},
		{statusapi.Backup{Last: &last, File: "x", Failed: &last, Error: "no space left on device"}, metav1.ConditionFalse, v1alpha1.ReasonBackupFailed, "no space left"},
		{statusapi.Backup{Error: "end of range (61) above maximum (59)"}, metav1.ConditionFalse, v1alpha1.ReasonBackupFailed, "above maximum"},
	} {
		q.script(func(q *puppet) { q.backup = c.says })
		w.eventually(c.words, func() error { return w.backedUpIs("s", c.status, c.reason, c.words) })
	}
	w.eventually("the store is well all the same", func() error { return w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonAllSynced) })
}

// restoredIs wants a condition Restored with words in its message.
func (w *world) restoredIs(name string, status metav1.ConditionStatus, reason v1alpha1.Reason, words string) error {
	var s v1alpha1.DataStore
	if err := w.get(name, &s); err != nil {
		return err
	}
	c := apimeta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionRestored)
	if c == nil || c.Status != status || c.Reason != string(reason) || !strings.Contains(c.Message, words) {
		return fmt.Errorf("Restored: %+v", c)
	}
	return nil
}

// TestRestore has a store begin with a backup. What has become of that is written down, and the node isn't told again.
func TestRestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	s := deletable("s", "a")
	s.Spec.RestoreFrom = &v1alpha1.RestoreSpec{VolumeClaim: "vault", StoreName: "old"}
	w.create(brokerNode("a", stored), s)
	w.eventually("the volume", func() error { return w.mountsIs("a", "vault") })
	a := w.puppets.run("a")
	w.eventually("nothing is known yet", func() error {
		return errors.Join(w.restoredIs("s", metav1.ConditionUnknown, v1alpha1.ReasonRestorePending, ""), a.restoring("s", "vault/old/latest"))
	})
	a.script(func(q *puppet) { q.restore.Error = "line 3: the export is damaged" })
	w.eventually("it fails", func() error {
		return errors.Join(w.restoredIs("s", metav1.ConditionFalse, v1alpha1.ReasonRestoreFailed, "line 3"), w.storeIs("s", metav1.ConditionFalse, v1alpha1.ReasonRestoreFailed))
	})
	const file = "20260301T030000Z.jsonl.gz"
	a.script(func(q *puppet) { q.restore = statusapi.Restore{File: file, Entries: 3} })
	done := func() error {
		return errors.Join(a.restoring("s", ""), w.restoredIs("s", metav1.ConditionTrue, v1alpha1.ReasonRestored, file),
			w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonAllSynced), w.mountsIs("a", "vault"))
	}
	w.eventually("it is done with", done)

	a.script(func(q *puppet) { q.restore = statusapi.Restore{Refused: true} }) // says nothing of it before it is told anew
	w.change("s", s, "user", func() { s.Spec.RestoreFrom.File = "20260302T030000Z.jsonl.gz" })
	w.eventually("another one is refused", func() error {
		return errors.Join(w.restoredIs("s", metav1.ConditionFalse, v1alpha1.ReasonRestoreRefused, "entries"), w.storeIs("s", metav1.ConditionTrue, v1alpha1.ReasonAllSynced))
	})
	w.change("s", s, "user", func() { s.Spec.RestoreFrom = nil })
	w.eventually("nothing of it is left", func() error {
		if err := w.get("s", s); err != nil {
			return err
		}
		if s.Status.Restore != nil || apimeta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionRestored) != nil {
			return fmt.Errorf("%+v", s.Status)
		}
		return w.mountsIs("a")
	})
}

// restoring wants a pod to have been told last of this backup to begin with; none if the request is empty.
func (q *puppet) restoring(store, request string) error {
	if got := q.storeConfig(store); got.Object != store || got.RestoreRequest() != request {
		return fmt.Errorf("it is told of the backup %q of store %q", got.RestoreRequest(), got.Object)
	}
	return nil
}
