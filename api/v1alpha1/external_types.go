// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "k8s.io/apimachinery/pkg/api/resource"

const (
	// InstalledAnnotation on an external BrokerNode is by which its owner says which certificates its endpoint runs with: the SHA-256, in
	// hexadecimal, of ca.crt followed by tls.crt, as cat ca.crt tls.crt | sha256sum prints it. The replacement of the mesh's authority waits for it.
	InstalledAnnotation = "brokermesh.dev/installed"
	// InstalledAnything as its value: the endpoint is never waited for.
	InstalledAnything = "*"
)

// ExternalSpec describes an endpoint that runs elsewhere, such as a Zeek on its own machine: the node has no pods. Its certificate for the
// mesh is in the Secret NAME-tls (ca.crt, tls.crt, tls.key).
type ExternalSpec struct {
	// HOST:PORT at which the endpoint listens, such as zeek.example.org:9999. Peerings to the node connect to it. The host is also a name of
	// the node's certificate, and where connections of a peering from the node come from that show no certificate. IPv6 addresses stand
	// in brackets. Without an address nothing can connect to the node; it can still connect to others.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=260
	// +kubebuilder:validation:XValidation:rule=`self.matches('^(\\[[0-9A-Fa-f:.]+\\]|[0-9A-Za-z_]([-0-9A-Za-z_]*[0-9A-Za-z_])?([.][0-9A-Za-z_]([-0-9A-Za-z_]*[0-9A-Za-z_])?)*[.]?):[1-9][0-9]{0,4}$') && int(self.substring(self.lastIndexOf(':') + 1)) <= 65535 && (!self.matches('^[0-9.]+:') || isIP(self.substring(0, self.lastIndexOf(':')))) && (!self.startsWith('[') || isIP(self.substring(1, self.lastIndexOf(']'))))`,message="allowed: HOST:PORT with a name, an IPv4 address or a bracketed IPv6 address, and a port from 1 to 65535"
	// +kubebuilder:example="zeek.example.org:9999"
	Address string `json:"address,omitempty"`

	// Subject of the certificate that the endpoint shows if it has another one than that of NAME-tls, such as CN=zeek,O=Example. It must be
	// signed by the mesh's authority all the same.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9.]+ *=[^\x00-\x1f\x7f]*$`
	// +kubebuilder:example="CN=zeek,O=Example"
	CertificateSubject string `json:"certificateSubject,omitempty"`
}

// PeeringQueues bound what waits for the peers of a peering: at the side that connects, and at the side that accepts where that recognizes
// who connects by the certificate or, of an external node, by the address. Unset fields are as in the nodes' own spec.queues. A change
// takes effect at once, and connections stay.
type PeeringQueues struct {
	// Messages that may wait for the peer, such as 20000.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000000
	// +kubebuilder:example=20000
	PeerMessages int32 `json:"peerMessages,omitempty"`

	// How much may wait for the peer, 64Ki to 1Ti, such as 64Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`string(self).size() <= 32 && !string(self).matches('[eE]...') && isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0`,message="allowed: a quantity from 64Ki to 1Ti, such as 32Mi"
	// +kubebuilder:example="64Mi"
	PeerSize *resource.Quantity `json:"peerSize,omitempty"`

	// What happens when more would wait: Disconnect ends the connection, which comes back; DropOldest and DropNewest leave holes in what
	// the peer sees, such as DropOldest for a Zeek that only wants the newest.
	// +optional
	// +kubebuilder:example=DropOldest
	PeerOverflow Overflow `json:"peerOverflow,omitempty"`
}
