// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"encoding/json"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

const (
	userID = 65532
	// drainSeconds is the time a pod has between SIGTERM and SIGKILL: closing handshakes and the flush of stores.
	drainSeconds = 30
)

// statefulSet starts pods all at once, because no node waits for another, and leaves replacing them to the manager, because only the
// manager knows the mesh that they belong to.
func statefulSet(in Input) *appsv1.StatefulSet {
	node := in.Node
	labels := Labels(node.Name)
	return &appsv1.StatefulSet{
		TypeMeta: typeMeta("apps/v1", "StatefulSet"), ObjectMeta: objectMeta(node, node.Name),
		Spec: appsv1.StatefulSetSpec{
			Replicas:             new(int32(topology.Replicas(node))),
			ServiceName:          ServiceName(node.Name),
			PodManagementPolicy:  appsv1.ParallelPodManagement,
			UpdateStrategy:       appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType},
			RevisionHistoryLimit: new(int32(3)),
			Selector:             &metav1.LabelSelector{MatchLabels: map[string]string{NodeLabel: node.Name}},
			PersistentVolumeClaimRetentionPolicy: &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
				WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
				WhenScaled:  appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
			},
			Template: overlaid(node, corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: podAnnotations(node)},
				Spec:       withBackups(podSpec(node, in.Image), in.BackupClaims),
			}),
			VolumeClaimTemplates: claims(node),
		},
	}
}

// podAnnotations are what a new pod is needed for though nothing else in the template tells of it; nil if all of that is the default.
func podAnnotations(node *v1alpha1.BrokerNode) map[string]string {
	var out map[string]string
	set := func(name, value string) {
		if out == nil {
			out = make(map[string]string)
		}
		out[name] = value
	}
	if tls := node.Spec.TLS; tls != nil && tls.Mode != "" && tls.Mode != v1alpha1.TLSMesh {
		set(TLSModeAnnotation, string(tls.Mode))
	}
	if q := topology.Queues(node); q != nil {
		text, _ := json.Marshal(q) // plain numbers and words
		set(QueuesAnnotation, string(text))
	}
	if at := node.Annotations[v1alpha1.RestartedAtAnnotation]; at != "" {
		set(v1alpha1.RestartedAtAnnotation, at)
	}
	return out
}

func podSpec(node *v1alpha1.BrokerNode, image string) corev1.PodSpec {
	return corev1.PodSpec{
		ServiceAccountName:            node.Name,
		AutomountServiceAccountToken:  new(false),
		EnableServiceLinks:            new(false),
		ImagePullSecrets:              pullSecrets(node),
		TerminationGracePeriodSeconds: new(int64(drainSeconds)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot:        new(true),
			RunAsUser:           new(int64(userID)),
			RunAsGroup:          new(int64(userID)),
			FSGroup:             new(int64(userID)),
			FSGroupChangePolicy: new(corev1.FSGroupChangeOnRootMismatch),
			SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{container(node, image)},
		Volumes:    volumes(node),
	}
}

// pullSecrets leaves out what is named twice: in a pod the list is a map by name.
func pullSecrets(node *v1alpha1.BrokerNode) []corev1.LocalObjectReference {
	var once []corev1.LocalObjectReference
	for _, s := range node.Spec.ImagePullSecrets {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}

func container(node *v1alpha1.BrokerNode, image string) corev1.Container {
	r := resources(node)
	return corev1.Container{
		Name:            ContainerName,
		Image:           image,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Command:         []string{"/node"},
		Args: []string{
			"--config=" + ConfigDir + "/$(POD_NAME).json",
			"--accepted=" + AcceptedDir + "/accepted.json",
			"--tls-dir=" + TLSDir,
			"--data-dir=" + DataDir,
			"--control=:" + strconv.Itoa(ControlPort),
			"--http=:" + strconv.Itoa(HTTPPort),
		},
		Env:            env(r),
		Ports:          Ports(node),
		Resources:      r,
		LivenessProbe:  probe("/healthz", 10, 3),
		ReadinessProbe: probe("/readyz", 2, 3),
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false),
			ReadOnlyRootFilesystem:   new(true),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		VolumeMounts: []corev1.VolumeMount{
			{Name: "config", MountPath: ConfigDir, ReadOnly: true},
			{Name: "tls", MountPath: TLSDir, ReadOnly: true},
			{Name: "accepted", MountPath: AcceptedDir},
			{Name: DataVolume, MountPath: DataDir},
		},
	}
}

func probe(path string, period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:     corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString(HTTPPortName)}},
		PeriodSeconds:    period,
		FailureThreshold: failures,
		TimeoutSeconds:   2,
	}
}

// resources are the user's, as a whole, or small requests without a limit.
func resources(node *v1alpha1.BrokerNode) corev1.ResourceRequirements {
	if r := node.Spec.Resources; r != nil {
		return *r.DeepCopy()
	}
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("50m"),
		corev1.ResourceMemory: resource.MustParse("64Mi"),
	}}
}

// env tells the pod its name, and Go's runtime to stay below nine tenths of a memory limit.
func env(r corev1.ResourceRequirements) []corev1.EnvVar {
	vars := []corev1.EnvVar{{
		Name:      "POD_NAME",
		ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.name"}},
	}}
	if limit, ok := r.Limits[corev1.ResourceMemory]; ok && limit.Value() > 0 {
		vars = append(vars, corev1.EnvVar{Name: "GOMEMLIMIT", Value: strconv.FormatInt(limit.Value()/10*9, 10)})
	}
	return vars
}

func volumes(node *v1alpha1.BrokerNode) []corev1.Volume {
	vs := []corev1.Volume{
		{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: ConfigMapName(node.Name)},
		}}},
		{Name: "tls", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: SecretName(node.Name), DefaultMode: new(int32(0o440)),
		}}},
		{Name: "accepted", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
	}
	if node.Spec.Storage == nil {
		vs = append(vs, corev1.Volume{Name: DataVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	return vs
}

func claims(node *v1alpha1.BrokerNode) []corev1.PersistentVolumeClaim {
	s := node.Spec.Storage
	if s == nil {
		return nil
	}
	return []corev1.PersistentVolumeClaim{{
		ObjectMeta: metav1.ObjectMeta{Name: DataVolume, Labels: Labels(node.Name)},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName: s.Class,
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: s.Size}},
		},
	}}
}
