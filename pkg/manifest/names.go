// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"strconv"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// Labels and annotations.
const (
	// NodeLabel names the BrokerNode on all its objects and pods; it alone is the selector of the StatefulSet.
	NodeLabel = v1alpha1.NodeLabel
	// ManagedByLabel with the value ManagedBy marks what the operator made.
	ManagedByLabel = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of ManagedByLabel.
	ManagedBy = "brokermesh"
	// RevisionAnnotation on the ConfigMap holds the revision of the documents in it.
	RevisionAnnotation = "brokermesh.dev/revision"
	// AdoptAnnotation with the value "true" on somebody else's object hands it over to the operator.
	AdoptAnnotation = "brokermesh.dev/adopt"
	// TLSModeAnnotation stands on the pods of a node whose TLS mode is not the default, so that a change of mode makes new pods.
	TLSModeAnnotation = "brokermesh.dev/tls-mode"
	// QueuesAnnotation stands on the pods of a node whose queues are not the default, so that a change of them makes new pods.
	QueuesAnnotation = "brokermesh.dev/queues"
)

// Ports and their names.
const (
	DefaultBrokerPort    = 9999
	DefaultWebSocketPort = 9997
	ControlPort          = 9990
	HTTPPort             = 9991

	BrokerPortName    = "broker"
	WebSocketPortName = "websocket"
	ControlPortName   = "control"
	HTTPPortName      = "http"
)

// Keys of the Secret and paths inside the pod.
const (
	CAKey   = "ca.crt"
	CertKey = "tls.crt"
	KeyKey  = "tls.key"

	ContainerName = "node"
	ConfigDir     = "/etc/brokermesh/config"
	TLSDir        = "/etc/brokermesh/tls"
	AcceptedDir   = "/var/run/brokermesh"
	DataDir       = "/var/lib/brokermesh"
	BackupDir     = "/backup"

	// DataVolume is the volume of DataDir and the volume claim template; the claim of a pod is DataVolume-POD.
	DataVolume = "data"
)

// PodName is the name of a node's i-th pod.
func PodName(node string, i int) string { return node + "-" + strconv.Itoa(i) }

// ConfigMapName is the name of a node's ConfigMap.
func ConfigMapName(node string) string { return node + "-config" }

// SecretName is the name of the Secret with a node's certificate.
func SecretName(node string) string { return node + "-tls" }

// PublicServiceName is the name of the Service that a node's spec may ask for.
func PublicServiceName(node string) string { return node }

// DisruptionName is the name of a node's PodDisruptionBudget.
func DisruptionName(node string) string { return node }

// ServiceName is the name of a node's governing Service.
func ServiceName(node string) string { return node + "-pods" }

// ClaimName is the name of the volume claim of a pod.
func ClaimName(pod string) string { return DataVolume + "-" + pod }

// ConfigKey is the key of a pod's document in the ConfigMap.
func ConfigKey(pod string) string { return pod + ".json" }
