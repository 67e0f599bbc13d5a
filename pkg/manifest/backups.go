// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// withBackups mounts the volumes that stores are backed up to. Volumes are numbered, because a claim's name may be too long for theirs.
func withBackups(spec corev1.PodSpec, claims []string) corev1.PodSpec {
	if len(claims) == 0 {
		return spec
	}
	c := &spec.Containers[0]
	c.Args = append(c.Args, "--backup-dir="+BackupDir)
	for i, claim := range claims {
		name := "backup-" + strconv.Itoa(i)
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: BackupDir + "/" + claim})
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
		}})
	}
	return spec
}
