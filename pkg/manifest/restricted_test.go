// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

func is[T comparable](p *T, want T) bool { return p != nil && *p == want }

// violations lists what the restricted level of the Pod Security Standards, and this project beyond it, has against a pod.
func violations(spec corev1.PodSpec) (found []string) {
	add := func(bad bool, format string, args ...any) {
		if bad {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	add(spec.HostNetwork || spec.HostPID || spec.HostIPC, "namespaces of the host")
	s := spec.SecurityContext
	add(s == nil, "no security context")
	if s == nil {
		return found
	}
	add(!is(s.RunAsNonRoot, true) || s.RunAsUser == nil || *s.RunAsUser == 0, "root")
	add(s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault, "no seccomp profile")
	add(len(s.Sysctls) > 0, "sysctls")
	for _, v := range spec.Volumes {
		source := v.VolumeSource
		source.ConfigMap, source.Secret, source.EmptyDir, source.PersistentVolumeClaim, source.Projected, source.DownwardAPI = nil, nil, nil, nil, nil, nil
		add(source != corev1.VolumeSource{}, "volume %s is of a kind that isn't allowed", v.Name)
	}
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		s := c.SecurityContext
		add(s == nil, "container %s has no security context", c.Name)
		if s == nil {
			continue
		}
		add(!is(s.AllowPrivilegeEscalation, false) || is(s.Privileged, true), "container %s: privileges", c.Name)
		add(s.Capabilities == nil || !slices.Contains(s.Capabilities.Drop, "ALL") || len(s.Capabilities.Add) > 0, "container %s: capabilities", c.Name)
		add(s.RunAsUser != nil && *s.RunAsUser == 0 || s.RunAsNonRoot != nil && !*s.RunAsNonRoot, "container %s: root", c.Name)
		add(s.ProcMount != nil || s.SeccompProfile != nil && s.SeccompProfile.Type == corev1.SeccompProfileTypeUnconfined, "container %s: unconfined", c.Name)
		add(!is(s.ReadOnlyRootFilesystem, true), "container %s can write to its root", c.Name)
		for _, p := range c.Ports {
			add(p.HostPort != 0, "container %s: port %s of the host", c.Name, p.Name)
		}
	}
	return found
}

// TestPodsAreRestricted holds the pods of nodes to the restricted level, whatever their spec asks for, and to having no credentials.
func TestPodsAreRestricted(t *testing.T) {
	for name, n := range map[string]*v1alpha1.BrokerNode{"plain": node(), "everything": node(everything)} {
		spec := Build(input(n)).StatefulSet.Spec.Template.Spec
		for _, v := range violations(spec) {
			t.Errorf("%s: %s", name, v)
		}
		if !is(spec.AutomountServiceAccountToken, false) {
			t.Errorf("%s: the pod gets a token", name)
		}
		for _, v := range spec.Volumes {
			if v.Projected != nil {
				t.Errorf("%s: volume %s may hold a token", name, v.Name)
			}
		}
	}
}

// TestManagerIsRestricted does the same for the manager, which has a token.
func TestManagerIsRestricted(t *testing.T) {
	b, err := os.ReadFile("../../config/manager/manager.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var d appsv1.Deployment
	if err := yaml.UnmarshalStrict(b, &d); err != nil {
		t.Fatal(err)
	}
	for _, v := range violations(d.Spec.Template.Spec) {
		t.Error(v)
	}
	for name, value := range ManagerLabels() {
		if d.Spec.Template.Labels[name] != value {
			t.Errorf("label %s is %q; NetworkPolicies let in pods with %q", name, d.Spec.Template.Labels[name], value)
		}
	}
}

// TestViolations shows that each rule can be broken.
func TestViolations(t *testing.T) {
	for want, change := range map[string]func(s *corev1.PodSpec){
		"namespaces of the host": func(s *corev1.PodSpec) { s.HostPID = true },
		"root":                   func(s *corev1.PodSpec) { s.SecurityContext.RunAsUser = new(int64(0)) },
		"seccomp":                func(s *corev1.PodSpec) { s.SecurityContext.SeccompProfile = nil },
		"isn't allowed": func(s *corev1.PodSpec) {
			s.Volumes = append(s.Volumes, corev1.Volume{Name: "x", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}})
		},
		"privileges":        func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.Privileged = new(true) },
		"capabilities":      func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.Capabilities.Drop = nil },
		"write to its root": func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.ReadOnlyRootFilesystem = nil },
		"of the host":       func(s *corev1.PodSpec) { s.Containers[0].Ports[0].HostPort = 1 },
		"security context":  func(s *corev1.PodSpec) { s.SecurityContext = nil },
	} {
		spec := Build(input(node())).StatefulSet.Spec.Template.Spec.DeepCopy()
		change(spec)
		if got := violations(*spec); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: %q", want, got)
		}
	}
}
