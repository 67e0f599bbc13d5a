// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// templated is a node with overrides in YAML.
func templated(t testing.TB, overrides string) *v1alpha1.BrokerNode {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(overrides))
	if err != nil {
		t.Fatal(err)
	}
	n := &v1alpha1.BrokerNode{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
	n.Spec.WebSocket = &v1alpha1.WebSocketSpec{}
	n.Spec.PodTemplate = &v1alpha1.PodTemplateSpec{Spec: &runtime.RawExtension{Raw: raw}}
	return n
}

func TestPodOverrides(t *testing.T) {
	for name, c := range map[string]struct {
		overrides string
		want      string // "field: words", of the latter a part; empty if all is well
	}{
		"nothing":     {`{}`, ""},
		"where to be": {`{affinity: {nodeAffinity: {}}, tolerations: [{operator: Exists}], nodeSelector: {a: b}, priorityClassName: high, topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]}`, ""},
		"a neighbour": {`{containers: [{name: zeek, image: zeek:8, ports: [{containerPort: 47760}], volumeMounts: [{name: tls, mountPath: /tls}]}], initContainers: [{name: x, image: w}], volumes: [{name: logs, emptyDir: {}}]}`, ""},
		"of its own":  {`{containers: [{name: node, env: [{name: A, value: b}], imagePullPolicy: Always, volumeMounts: [{name: logs, mountPath: /logs}]}]}`, ""},
		"more time":   {`{terminationGracePeriodSeconds: 60}`, ""},
		"confined":    {`{securityContext: {runAsUser: 1000, fsGroup: 1000, supplementalGroups: [5]}}`, ""},
		"null":        {`{hostNetwork: null, affinity: null}`, ""},

		"misspelt":             {`{containers: [{name: z, image: w, imge: x}]}`, `spec.podTemplate.spec.containers[0].imge: unknown field`},
		"misspelt at the top":  {`{nodeSelektor: {}}`, `spec.podTemplate.spec.nodeSelektor: unknown field`},
		"of another type":      {`{nodeSelector: 3}`, "spec.podTemplate.spec: is no PodSpec"},
		"a directive":          {`{volumes: [{$patch: replace}]}`, `spec.podTemplate.spec.volumes[0].$patch: unknown field`},
		"the host's network":   {`{hostNetwork: true}`, "spec.podTemplate.spec.hostNetwork: is refused"},
		"the host's processes": {`{hostPID: true}`, "hostPID: is refused"},
		"another account":      {`{serviceAccountName: admin}`, "serviceAccountName: is set by the operator"},
		"a token":              {`{automountServiceAccountToken: true}`, "automountServiceAccountToken: is set"},
		"another name":         {`{subdomain: x}`, "subdomain: is set"},
		"once":                 {`{restartPolicy: Never}`, "restartPolicy: is set"},
		"too short":            {`{terminationGracePeriodSeconds: 5}`, "terminationGracePeriodSeconds: 5, allowed: at least 30"},
		"another system":       {`{os: {name: windows}}`, "os.name"},
		"root":                 {`{securityContext: {runAsUser: 0}}`, "securityContext.runAsUser: 0, allowed"},
		"maybe root":           {`{securityContext: {runAsNonRoot: false}}`, "securityContext.runAsNonRoot: false"},
		"all system calls":     {`{securityContext: {seccompProfile: {type: Unconfined}}}`, "securityContext.seccompProfile.type: Unconfined"},
		"no profile":           {`{securityContext: {appArmorProfile: {type: Unconfined}}}`, "securityContext.appArmorProfile.type"},
		"kernel settings":      {`{securityContext: {sysctls: [{name: a, value: b}]}}`, "securityContext.sysctls"},
		"windows":              {`{securityContext: {windowsOptions: {}}}`, "securityContext.windowsOptions"},
		"another role":         {`{securityContext: {seLinuxOptions: {role: x}}}`, "securityContext.seLinuxOptions"},
		"the image":            {`{containers: [{name: node, image: x}]}`, "containers[0].image: is set by spec.image"},
		"the resources":        {`{containers: [{name: node, resources: {}}]}`, "containers[0].resources: is set by spec.resources"},
		"the command":          {`{containers: [{name: node, command: [sh]}]}`, "containers[0].command: of container node is set by the operator; allowed: env, "},
		"the node's rights":    {`{containers: [{name: node, securityContext: {privileged: true}}]}`, "containers[0].securityContext"},
		"the pod's name":       {`{containers: [{name: node, env: [{name: POD_NAME, value: x}]}]}`, "containers[0].env[0].name"},
		"the data, elsewhere":  {`{containers: [{name: node, volumeMounts: [{name: data, mountPath: /x}]}]}`, `containers[0].volumeMounts[0].name: "data" is mounted`},
		"over the data":        {`{containers: [{name: node, volumeMounts: [{name: x, mountPath: /var/lib/brokermesh/}]}]}`, "containers[0].volumeMounts[0].mountPath"},
		"above the data":       {`{containers: [{name: node, volumeMounts: [{name: x, mountPath: /var}]}]}`, "containers[0].volumeMounts[0].mountPath"},
		"nobody":               {`{containers: [{image: x}]}`, "containers[0].name: is missing"},
		"twice":                {`{containers: [{name: x, image: x}, {name: x, image: w}]}`, `containers[1].name: "x" is there twice`},
		"no image":             {`{containers: [{name: zeek}]}`, "containers[0].image: is missing"},
		"before itself":        {`{initContainers: [{name: node, image: x}]}`, "initContainers[0].name"},
		"a taken port":         {`{containers: [{name: z, image: z, ports: [{containerPort: 9999}]}]}`, "containers[0].ports[0].containerPort: 9999 is a port of the node"},
		"the WebSocket's port": {`{containers: [{name: z, image: z, ports: [{containerPort: 9997}]}]}`, "containers[0].ports[0].containerPort"},
		"a taken name":         {`{containers: [{name: z, image: z, ports: [{containerPort: 80, name: broker}]}]}`, "containers[0].ports[0].name"},
		"the operator's data":  {`{volumes: [{name: data, emptyDir: {}}]}`, `volumes[0].name: "data" is a volume of the operator`},
		"a nameless volume":    {`{volumes: [{emptyDir: {}}]}`, "volumes[0].name: is missing"},
		"far too much":         {`{nodeSelector: {a: "` + strings.Repeat("x", maxTemplateBytes) + `"}}`, "allowed: at most 262144"},
	} {
		t.Run(name, func(t *testing.T) {
			n := templated(t, c.overrides)
			doc, f := PodOverrides(n)
			if (f == nil) != (c.want == "") || f != nil && (doc != nil || !strings.Contains(f.Field+": "+f.Message, c.want)) {
				t.Errorf("%v, %+v; want %q", doc, f, c.want)
			}
			if _, there := doc["hostNetwork"]; there {
				t.Errorf("a null is left: %v", doc)
			}
			r := Compile(Objects{Nodes: []v1alpha1.BrokerNode{*n}}, Options{})
			if (r.Nodes[0].PodFault != nil) != (f != nil) || r.Nodes[0].Fault != nil || len(r.Findings) > 1 {
				t.Errorf("compiled: %+v, %+v", r.Nodes[0].PodFault, r.Findings)
			}
		})
	}
}

// TestNoPods: without a cluster, what is said of pods is warned of.
func TestNoPods(t *testing.T) {
	n := templated(t, `{nodeSelector: {a: b}}`)
	n.Spec.Paused, n.Spec.Service = true, &v1alpha1.ServiceSpec{}
	r := Compile(Objects{Nodes: []v1alpha1.BrokerNode{*n}}, Options{NoPods: true})
	if len(r.Findings) != 3 || Failed(r.Findings) || r.Findings[0].Field != "spec.paused" || r.Findings[0].Reason != NoEffect {
		t.Errorf("%+v", r.Findings)
	}
}

func FuzzPodOverrides(f *testing.F) {
	for _, seed := range []string{`{}`, `{"containers":[{"name":"node"},null]}`, `{"containers":[null]}`, `[]`, `null`, `{"volumes":[{"name":"x"}],"containers":null}`,
		`{"containers":[{"name":"node","env":[{"name":"A"}],"env":[]}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		n := &v1alpha1.BrokerNode{}
		n.Spec.PodTemplate = &v1alpha1.PodTemplateSpec{Spec: &runtime.RawExtension{Raw: raw}}
		if doc, fault := PodOverrides(n); doc != nil && fault != nil {
			t.Errorf("%v and %v", doc, fault)
		}
	})
}
