// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
)

// TestBackupVolumes mounts claims for backups, and changes nothing without any.
func TestBackupVolumes(t *testing.T) {
	plain := Build(input(node())).StatefulSet
	in := input(node())
	in.BackupClaims = []string{"a", "b.c"}
	with := Build(in).StatefulSet
	spec := &with.Spec.Template.Spec
	if !slices.Contains(spec.Containers[0].Args, "--backup-dir=/backup") {
		t.Errorf("args %q", spec.Containers[0].Args)
	}
	for i, claim := range in.BackupClaims {
		m := spec.Containers[0].VolumeMounts[len(spec.Containers[0].VolumeMounts)-2+i]
		v := spec.Volumes[len(spec.Volumes)-2+i]
		if m.MountPath != "/backup/"+claim || m.ReadOnly || m.Name != v.Name || v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ClaimName != claim {
			t.Errorf("claim %s: mounted as %+v of %+v", claim, m, v)
		}
	}
	in.BackupClaims = nil
	if !equality.Semantic.DeepEqual(Build(in).StatefulSet, plain) {
		t.Error("no backups make a difference")
	}
}
