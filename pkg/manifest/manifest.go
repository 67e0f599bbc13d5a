// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// Input is everything that a node's objects are made of.
type Input struct {
	// Node is the BrokerNode; its name, namespace and UID must be set.
	Node *v1alpha1.BrokerNode
	// Image of the node's container.
	Image string
	// Revision of the documents in Configs.
	Revision int64
	// Configs holds a document for each pod, by pod name. The bytes are taken as they are.
	Configs map[string][]byte
	// BackupClaims are the PersistentVolumeClaims to be mounted in BackupDir, each under its name.
	BackupClaims []string
	// Certificates of the node. They end up in the Secret and nowhere else.
	Certificates Certificates
}

// Certificates are PEM blocks.
type Certificates struct{ CA, Cert, Key []byte }

// Object is a Kubernetes object of this package.
type Object interface {
	metav1.Object
	runtime.Object
}

// Objects are the objects of one node. Kinds and versions are filled in.
type Objects struct {
	ServiceAccount *corev1.ServiceAccount
	Secret         *corev1.Secret
	ConfigMap      *corev1.ConfigMap
	Service        *corev1.Service
	StatefulSet    *appsv1.StatefulSet
	// Public is the Service that spec.service asks for; nil without.
	Public *corev1.Service
	// Disruption is for nodes with several pods; nil for others.
	Disruption *policyv1.PodDisruptionBudget
}

// List gives the objects that every node has, in the order in which they are applied: what a pod needs exists before the pod.
func (o Objects) List() []Object {
	return []Object{o.ServiceAccount, o.Secret, o.ConfigMap, o.Service, o.StatefulSet}
}

// Build makes the objects of a node.
func Build(in Input) Objects {
	return Objects{
		ServiceAccount: serviceAccount(in.Node),
		Secret:         secret(in.Node, in.Certificates),
		ConfigMap:      configMap(in),
		Service:        service(in.Node),
		StatefulSet:    statefulSet(in),
		Public:         publicService(in.Node),
		Disruption:     disruption(in.Node),
	}
}

// Labels are the labels of a node's objects and pods.
func Labels(node string) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":     "brokermesh-node",
		"app.kubernetes.io/instance": node,
		ManagedByLabel:               ManagedBy,
		NodeLabel:                    node,
	}
}

// OwnerReference points to the BrokerNode. It does not block the owner's deletion: nothing waits for anything.
func OwnerReference(node *v1alpha1.BrokerNode) metav1.OwnerReference {
	yes := true
	return metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "BrokerNode", Name: node.Name, UID: node.UID, Controller: &yes,
	}
}

func objectMeta(node *v1alpha1.BrokerNode, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: node.Namespace, Labels: Labels(node.Name),
		OwnerReferences: []metav1.OwnerReference{OwnerReference(node)},
	}
}

func typeMeta(apiVersion, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: apiVersion, Kind: kind}
}

func serviceAccount(node *v1alpha1.BrokerNode) *corev1.ServiceAccount {
	no := false
	return &corev1.ServiceAccount{
		TypeMeta: typeMeta("v1", "ServiceAccount"), ObjectMeta: objectMeta(node, node.Name), AutomountServiceAccountToken: &no,
	}
}

func secret(node *v1alpha1.BrokerNode, c Certificates) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta: typeMeta("v1", "Secret"), ObjectMeta: objectMeta(node, SecretName(node.Name)), Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{CAKey: c.CA, CertKey: c.Cert, KeyKey: c.Key},
	}
}

func configMap(in Input) *corev1.ConfigMap {
	meta := objectMeta(in.Node, ConfigMapName(in.Node.Name))
	meta.Annotations = map[string]string{RevisionAnnotation: strconv.FormatInt(in.Revision, 10)}
	data := make(map[string]string, len(in.Configs))
	for pod, doc := range in.Configs {
		data[ConfigKey(pod)] = string(doc)
	}
	return &corev1.ConfigMap{TypeMeta: typeMeta("v1", "ConfigMap"), ObjectMeta: meta, Data: data}
}

// service is the governing Service. It publishes pods that aren't ready, because a mesh must be able to start from cold.
func service(node *v1alpha1.BrokerNode) *corev1.Service {
	var ports []corev1.ServicePort
	for _, p := range Ports(node) {
		ports = append(ports, corev1.ServicePort{
			Name: p.Name, Port: p.ContainerPort, TargetPort: intstr.FromString(p.Name), Protocol: corev1.ProtocolTCP,
		})
	}
	return &corev1.Service{
		TypeMeta: typeMeta("v1", "Service"), ObjectMeta: objectMeta(node, ServiceName(node.Name)),
		Spec: corev1.ServiceSpec{
			ClusterIP:                corev1.ClusterIPNone,
			PublishNotReadyAddresses: true,
			Selector:                 map[string]string{NodeLabel: node.Name},
			Ports:                    ports,
		},
	}
}

// Ports are the ports of a node's pods, in the order of the container's list.
func Ports(node *v1alpha1.BrokerNode) []corev1.ContainerPort {
	port := func(name string, number int32) corev1.ContainerPort {
		return corev1.ContainerPort{Name: name, ContainerPort: number, Protocol: corev1.ProtocolTCP}
	}
	broker := int32(DefaultBrokerPort)
	if l := node.Spec.Listen; l != nil && l.Port != 0 {
		broker = l.Port
	}
	ports := []corev1.ContainerPort{port(BrokerPortName, broker)}
	if ws := node.Spec.WebSocket; ws != nil {
		number := ws.Port
		if number == 0 {
			number = DefaultWebSocketPort
		}
		ports = append(ports, port(WebSocketPortName, number))
	}
	return append(ports, port(ControlPortName, ControlPort), port(HTTPPortName, HTTPPort))
}
