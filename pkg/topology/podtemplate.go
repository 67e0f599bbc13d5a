// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// What the operator's own container and its volumes are called in every pod.
const (
	nodeContainer    = "node"
	drainSeconds     = 30
	templateField    = "spec.podTemplate.spec"
	maxTemplateBytes = 256 << 10
)

var (
	ownVolumes = []string{"accepted", "config", "data", "tls"}
	ownPaths   = []string{"/etc/brokermesh/config", "/etc/brokermesh/tls", "/var/run/brokermesh", "/var/lib/brokermesh"}
	ownPorts   = []string{"broker", "websocket", "control", "http"}
	// ownNumbers are the ports of the pod that are not the spec's.
	ownNumbers = []int32{9990, 9991}
	// containerFields are what may be said of the node's own container.
	containerFields = []string{"env", "envFrom", "imagePullPolicy", "lifecycle", "name", "terminationMessagePath", "terminationMessagePolicy", "volumeMounts"}
)

// PodOverrides gives spec.podTemplate.spec of a node as the document that is merged over the operator's own; nil if there is none, or it is at
// fault: the finding says why, with the field. Only the fields that are the node's alone to choose pass: a node never becomes less
// confined by them, and nothing that its program depends on changes. It is what the compiler asks, and whoever makes pods of a node.
func PodOverrides(n *v1alpha1.BrokerNode) (map[string]any, *Finding) {
	t := n.Spec.PodTemplate
	if t == nil || t.Spec == nil || len(t.Spec.Raw) == 0 {
		return nil, nil
	}
	fault := func(field, message string) (map[string]any, *Finding) {
		if field != "" && field[0] != '[' {
			field = "." + field
		}
		return nil, &Finding{Kind: KindBrokerNode, Name: n.Name, Field: templateField + field, Reason: v1alpha1.ReasonPodTemplateRefused,
			Severity: Error, Message: message}
	}
	raw := t.Spec.Raw
	if len(raw) > maxTemplateBytes {
		return fault("", fmt.Sprintf("%d bytes, allowed: at most %d", len(raw), maxTemplateBytes))
	}
	var spec corev1.PodSpec
	strict, err := kjson.UnmarshalStrict(raw, &spec)
	if err != nil {
		return fault("", "is no PodSpec: "+err.Error())
	}
	if len(strict) > 0 {
		return fault(unknownField(strict[0]))
	}
	var doc map[string]any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&doc); err != nil {
		return fault("", "is no PodSpec: "+err.Error())
	}
	withoutNulls(doc)
	for _, check := range []func(*v1alpha1.BrokerNode, *corev1.PodSpec, map[string]any) (string, string){
		refusedFields, refusedSecurity, refusedContainers, refusedVolumes,
	} {
		if field, words := check(n, &spec, doc); words != "" {
			return fault(field, words)
		}
	}
	return doc, nil
}

// podFault records what is wrong with the node's template, and without a cluster what of the spec does nothing.
func (c *compiler) podFault(n *v1alpha1.BrokerNode) *Finding {
	c.nodeNoEffect(n)
	if _, f := PodOverrides(n); f != nil {
		return c.find(*f)
	}
	return nil
}

// unknownField turns a strict decoder's error into a path and words.
func unknownField(err error) (field, words string) {
	what, quoted, ok := strings.Cut(err.Error(), " field ")
	path, unquote := strconv.Unquote(quoted)
	if !ok || unquote != nil {
		return "", err.Error()
	}
	return path, what + " field of a PodSpec"
}

// withoutNulls leaves out what says nothing: a merge would take it for the wish to remove what the operator sets.
func withoutNulls(doc map[string]any) {
	for key, value := range doc {
		switch value := value.(type) {
		case nil:
			delete(doc, key)
		case map[string]any:
			withoutNulls(value)
		case []any:
			for _, item := range value {
				if m, ok := item.(map[string]any); ok {
					withoutNulls(m)
				}
			}
		}
	}
}

// operators are the fields of a PodSpec that are never the user's, with what to do instead.
var operators = map[string]string{
	"activeDeadlineSeconds":        "is not for pods that run for ever",
	"automountServiceAccountToken": "is set by the operator: node pods hold no credentials of the cluster",
	"ephemeralContainers":          "is not part of a template",
	"hostIPC":                      "is refused: a node runs confined",
	"hostNetwork":                  "is refused: nodes are found under addresses of their own; a Zeek that needs the network of the machine runs in a pod of its own",
	"hostPID":                      "is refused: a node runs confined",
	"hostname":                     "is set by the operator: the pod's address depends on it",
	"restartPolicy":                "is set by the operator",
	"serviceAccount":               "is set by the operator",
	"serviceAccountName":           "is set by the operator",
	"subdomain":                    "is set by the operator: the pod's address depends on it",
}

func refusedFields(_ *v1alpha1.BrokerNode, spec *corev1.PodSpec, doc map[string]any) (field, words string) {
	for _, field := range slices.Sorted(maps.Keys(doc)) {
		if words := operators[field]; words != "" {
			return field, words
		}
	}
	if grace := spec.TerminationGracePeriodSeconds; grace != nil && *grace < drainSeconds {
		return "terminationGracePeriodSeconds", fmt.Sprintf("%d, allowed: at least %d, which stores may take to be flushed", *grace, drainSeconds)
	}
	if spec.OS != nil && spec.OS.Name != corev1.Linux {
		return "os.name", fmt.Sprintf("%q, allowed: %s", spec.OS.Name, corev1.Linux)
	}
	return "", ""
}

// refusedSecurity keeps the pod within the restricted Pod Security Standard.
func refusedSecurity(_ *v1alpha1.BrokerNode, spec *corev1.PodSpec, _ map[string]any) (field, words string) {
	s := spec.SecurityContext
	const root = "0, allowed: any other: a node never runs as root"
	switch {
	case s == nil:
	case s.RunAsNonRoot != nil && !*s.RunAsNonRoot:
		return "securityContext.runAsNonRoot", "false, allowed: true"
	case s.RunAsUser != nil && *s.RunAsUser == 0:
		return "securityContext.runAsUser", root
	case s.SeccompProfile != nil && s.SeccompProfile.Type == corev1.SeccompProfileTypeUnconfined:
		return "securityContext.seccompProfile.type", "Unconfined, allowed: RuntimeDefault, Localhost"
	case s.AppArmorProfile != nil && s.AppArmorProfile.Type == corev1.AppArmorProfileTypeUnconfined:
		return "securityContext.appArmorProfile.type", "Unconfined, allowed: RuntimeDefault, Localhost"
	case len(s.Sysctls) > 0:
		return "securityContext.sysctls", "is refused: a node runs confined"
	case s.WindowsOptions != nil:
		return "securityContext.windowsOptions", "is refused: nodes run on Linux"
	case s.SELinuxOptions != nil && (s.SELinuxOptions.User != "" || s.SELinuxOptions.Role != ""):
		return "securityContext.seLinuxOptions", "with user or role is refused: a node runs confined"
	}
	return "", ""
}

func refusedContainers(n *v1alpha1.BrokerNode, spec *corev1.PodSpec, doc map[string]any) (field, words string) {
	numbers := append([]int32{int32(listenPort(n))}, ownNumbers...)
	if port := webSocketPort(n); port != 0 {
		numbers = append(numbers, int32(port))
	}
	taken := make(map[HostPort]bool)
	for _, list := range []struct {
		name       string
		containers []corev1.Container
	}{{"containers", spec.Containers}, {"initContainers", spec.InitContainers}} {
		items, _ := doc[list.name].([]any)
		seen := make(map[string]bool)
		for i := range list.containers {
			c := &list.containers[i]
			at := fmt.Sprintf("%s[%d]", list.name, i)
			for _, p := range HostPorts(list.name, c) {
				key := HostPort{Protocol: p.Protocol, IP: p.IP, Number: p.Number}
				if taken[key] {
					return at + "." + p.Field, fmt.Sprintf("%d is there twice; allowed: any other", p.Number)
				}
				taken[key] = true
			}
			switch item, _ := items[i].(map[string]any); {
			case c.Name == "":
				return at + ".name", "is missing: it says which container is meant"
			case seen[c.Name]:
				return at + ".name", fmt.Sprintf("%q is there twice", c.Name)
			case c.Name == nodeContainer && list.name == "containers":
				field, words = refusedOfNode(c, item)
			case c.Name == nodeContainer:
				field, words = ".name", `"node" is the node's own container; allowed: any other`
			default:
				field, words = refusedOfOther(c, numbers)
			}
			if words != "" {
				return at + field, words
			}
			seen[c.Name] = true
		}
	}
	return "", ""
}

// HostPort is a port of the machine that a container takes for as long as its pod runs.
type HostPort struct {
	// Field is behind that of the container, for instance ports[0].hostPort.
	Field, Protocol, IP string
	Number              int32
}

// HostPorts are those of a container of a pod's list "containers", or "initContainers", most of which have ended before the others run.
func HostPorts(list string, c *corev1.Container) []HostPort {
	if list != "containers" && (c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways) {
		return nil
	}
	var out []HostPort
	for i, p := range c.Ports {
		if p.HostPort != 0 {
			out = append(out, HostPort{fmt.Sprintf("ports[%d].hostPort", i), string(cmp.Or(p.Protocol, corev1.ProtocolTCP)), p.HostIP, p.HostPort})
		}
	}
	return out
}

// refusedOfNode is about the node's own container.
func refusedOfNode(c *corev1.Container, item map[string]any) (field, words string) {
	for _, field := range slices.Sorted(maps.Keys(item)) {
		switch {
		case slices.Contains(containerFields, field):
		case field == "image", field == "resources":
			return "." + field, "is set by spec." + field
		default:
			return "." + field, "of container node is set by the operator; allowed: " + strings.Join(containerFields, ", ")
		}
	}
	for i, v := range c.Env {
		if v.Name == "POD_NAME" {
			return fmt.Sprintf(".env[%d].name", i), `"POD_NAME" is set by the operator`
		}
	}
	for i, m := range c.VolumeMounts {
		at := fmt.Sprintf(".volumeMounts[%d]", i)
		if slices.Contains(ownVolumes, m.Name) {
			return at + ".name", fmt.Sprintf("%q is mounted by the operator already", m.Name)
		}
		for _, own := range ownPaths {
			if path := strings.TrimRight(m.MountPath, "/"); path == own || strings.HasPrefix(path, own+"/") || strings.HasPrefix(own, path+"/") {
				return at + ".mountPath", fmt.Sprintf("%q would hide %s, which is the operator's", m.MountPath, own)
			}
		}
	}
	return "", ""
}

// refusedOfOther is about a container beside the node's: all of a pod share its ports.
func refusedOfOther(c *corev1.Container, numbers []int32) (field, words string) {
	if c.Image == "" {
		return ".image", fmt.Sprintf("is missing for container %q; allowed: an image, or the name node", c.Name)
	}
	for i, p := range c.Ports {
		at := fmt.Sprintf(".ports[%d]", i)
		switch {
		case slices.Contains(ownPorts, p.Name):
			return at + ".name", fmt.Sprintf("%q is the name of a port of the node; allowed: any other", p.Name)
		case slices.Contains(numbers, p.ContainerPort) && (p.Protocol == "" || p.Protocol == corev1.ProtocolTCP):
			return at + ".containerPort", fmt.Sprintf("%d is a port of the node; allowed: any other", p.ContainerPort)
		}
	}
	return "", ""
}

func refusedVolumes(_ *v1alpha1.BrokerNode, spec *corev1.PodSpec, _ map[string]any) (field, words string) {
	for i, v := range spec.Volumes {
		switch {
		case v.Name == "":
			return fmt.Sprintf("volumes[%d].name", i), "is missing"
		case slices.Contains(ownVolumes, v.Name):
			return fmt.Sprintf("volumes[%d].name", i), fmt.Sprintf("%q is a volume of the operator; allowed: any other name (containers may mount the operator's)", v.Name)
		}
	}
	return "", ""
}
