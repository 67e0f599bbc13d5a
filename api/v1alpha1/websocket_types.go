// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "k8s.io/apimachinery/pkg/api/resource"

// WebSocketDialect is the server that WebSocket clients were written for.
// +kubebuilder:validation:Enum=Auto;Broker;Zeek
type WebSocketDialect string

// The values of spec.webSocket.dialect.
const (
	// DialectAuto serves clients of both servers.
	DialectAuto WebSocketDialect = "Auto"
	// DialectBroker keeps to what C++ Broker's server does.
	DialectBroker WebSocketDialect = "Broker"
	// DialectZeek keeps to what Zeek's own server does: events only.
	DialectZeek WebSocketDialect = "Zeek"
)

// ClientCertificates says whether WebSocket clients show a certificate.
// +kubebuilder:validation:Enum=Required;Optional;None
type ClientCertificates string

// The values of spec.webSocket.clientCertificates.
const (
	// ClientCertificatesRequired lets in who has a certificate of the mesh's authority.
	ClientCertificatesRequired ClientCertificates = "Required"
	// ClientCertificatesOptional verifies a certificate where there is one.
	ClientCertificatesOptional ClientCertificates = "Optional"
	// ClientCertificatesNone asks for none.
	ClientCertificatesNone ClientCertificates = "None"
)

// Overflow says what happens to a peer or a WebSocket client whose queue is full.
// +kubebuilder:validation:Enum=Disconnect;DropOldest;DropNewest
type Overflow string

// The values of spec.webSocket.limits.overflow and spec.queues.peerOverflow.
const (
	// OverflowDisconnect lets the peer or the client go; with a client, a burst of a second is borne with.
	OverflowDisconnect Overflow = "Disconnect"
	// OverflowDropOldest drops what has waited longest.
	OverflowDropOldest Overflow = "DropOldest"
	// OverflowDropNewest drops what comes last.
	OverflowDropNewest Overflow = "DropNewest"
)

// WebSocketSpec describes the WebSocket port; the node has one only if it is set.
// +kubebuilder:validation:XValidation:rule=`!has(self.clientCertificates) || self.clientCertificates != 'None' || !has(self.clients) || self.clients.all(c, has(c.tokenSHA256))`,fieldPath=".clients",message="one has a certificate only, which is never asked for with clientCertificates None; allowed: tokenSHA256 for each, or clientCertificates Optional"
type WebSocketSpec struct {
	// Port number. 9990 and 9991 serve the node's control port and its health checks.
	// +optional
	// +kubebuilder:default=9997
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +kubebuilder:validation:XValidation:rule=`!(self in [9990, 9991])`,message="9990 and 9991 are the node's own control and health ports; allowed: any other port"
	Port int32 `json:"port,omitempty"`

	// The server that clients were written for, where it makes a difference. Auto serves those of C++ Broker's and of Zeek's
	// server; Broker and Zeek keep to what that server does. Unset means Auto.
	// +optional
	Dialect WebSocketDialect `json:"dialect,omitempty"`

	// Web pages that may connect besides those of the port's own host, as patterns for HOST[:PORT] or SCHEME://HOST[:PORT] with
	// * and ? for any characters; a sole * allows all. Clients that are no browser aren't concerned.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:XValidation:rule=`self.matches('^([a-zA-Z][-+.a-zA-Z0-9]*://)?[-_.*?:0-9A-Za-z]+$')`,message="allowed: HOST[:PORT] or SCHEME://HOST[:PORT], where * and ? stand for any characters, such as https://*.example.org"
	// +kubebuilder:example={"https://dashboard.example.org"}
	AllowedOrigins []string `json:"allowedOrigins,omitempty"`

	// Whether clients show a certificate of the mesh's authority: Required, Optional or None. Unset means Required where the
	// node has TLS; without TLS there are none.
	// +optional
	ClientCertificates ClientCertificates `json:"clientCertificates,omitempty"`

	// The clients that are known by a token or a certificate, and what they may do. Without any, and without others, every
	// client may do everything.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:rule=`self.all(c, !has(c.certificate) || self.exists_one(d, has(d.certificate) && d.certificate == c.certificate))`,message="two have the same certificate; allowed: a URI of its own for each"
	// +kubebuilder:validation:XValidation:rule=`self.all(c, !has(c.tokenSHA256) || self.exists_one(d, has(d.tokenSHA256) && d.tokenSHA256 == c.tokenSHA256))`,message="two have the same tokenSHA256; allowed: a token of its own for each"
	Clients []WebSocketClient `json:"clients,omitempty"`

	// What clients may do that are not among clients. Unset means that they are refused, unless there are no clients: then
	// everybody may do everything. A token that is not known is refused in any case.
	// +optional
	Others *TopicRights `json:"others,omitempty"`

	// What one client, and all together, may ask of the node.
	// +optional
	Limits *WebSocketLimits `json:"limits,omitempty"`
}

// WebSocketClient is a client that is known by a token, a certificate, or either of the two. Prefixes are compared byte by byte;
// the empty one means every topic.
// +kubebuilder:validation:XValidation:rule=`has(self.tokenSHA256) || has(self.certificate)`,messageExpression=`'client "' + self.name + '" has neither tokenSHA256 nor certificate; allowed: one of them, or both'`
// +kubebuilder:validation:XValidation:rule=`!has(self.tokenSHA256) || self.tokenSHA256.matches('^[0-9a-f]{64}$')`,fieldPath=".tokenSHA256",message="is no hash; allowed: the SHA-256 of a token as 64 digits of 0-9 and a-f, as brokerctl token prints it"
type WebSocketClient struct {
	// What logs call the client.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:example="dashboard"
	Name string `json:"name"`

	// SHA-256 of the client's token, 64 hexadecimal digits; `brokerctl token` makes a token and its hash. The token itself never
	// stands in a manifest.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:example="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	TokenSHA256 string `json:"tokenSHA256,omitempty"`

	// URI in the client's certificate, such as brokermesh://default/client for that of the Secret brokermesh-client.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[a-zA-Z][-+.a-zA-Z0-9]*:[!-~]+$')`,message="allowed: a URI, such as brokermesh://default/client"
	// +kubebuilder:example="brokermesh://default/client"
	Certificate string `json:"certificate,omitempty"`

	TopicRights `json:",inline"`
}

// TopicRights are the topic prefixes that clients may use. None means nothing, the empty prefix everything.
type TopicRights struct {
	// Prefixes of the topics that the client may publish to.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:Pattern=`^[^\x00-\x1f\x7f]*$`
	// +kubebuilder:validation:items:XValidation:rule=`!self.contains('<$>')`,message="<$> is reserved for Broker's own topics"
	// +kubebuilder:example={"/alerts"}
	Publish []string `json:"publish,omitempty"`

	// Prefixes that the client may subscribe to: it may ask for one of them, or for a longer one.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:Pattern=`^[^\x00-\x1f\x7f]*$`
	// +kubebuilder:example={"zeek/"}
	Subscribe []string `json:"subscribe,omitempty"`
}

// WebSocketLimits bound what WebSocket clients can ask of a node. Unset fields have the gateway's defaults.
type WebSocketLimits struct {
	// Size of the largest message that a client may send, 1Ki to 64Mi. Unset means 16Mi.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`string(self).size() <= 32 && !string(self).matches('[eE]...') && isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1Ki')) >= 0 && quantity(string(self)).compareTo(quantity('64Mi')) <= 0`,message="allowed: a quantity from 1Ki to 64Mi, such as 1Mi"
	// +kubebuilder:example="1Mi"
	MessageSize *resource.Quantity `json:"messageSize,omitempty"`

	// Prefixes that a client may ask for. Unset means 1000.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	// +kubebuilder:example=256
	Subscriptions int32 `json:"subscriptions,omitempty"`

	// Clients at a time. Unset means 100.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	// +kubebuilder:example=100
	Connections int32 `json:"connections,omitempty"`

	// Clients at a time from one address, or with IPv6 from one network of 64 bits. Raise it where clients come through a proxy or an
	// address translation. Unset means half of connections.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	// +kubebuilder:example=50
	ConnectionsPerAddress int32 `json:"connectionsPerAddress,omitempty"`

	// Messages that a client may send in a second; one that sends more has to wait. Unset means no limit.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +kubebuilder:example=1000
	MessagesPerSecond int32 `json:"messagesPerSecond,omitempty"`

	// Bytes that a client may send in a second, 1Ki to 1Ti; one that sends more has to wait. Unset means no limit.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`string(self).size() <= 32 && !string(self).matches('[eE]...') && isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0`,message="allowed: a quantity from 1Ki to 1Ti, such as 1Mi"
	// +kubebuilder:example="10Mi"
	BytesPerSecond *resource.Quantity `json:"bytesPerSecond,omitempty"`

	// Messages that may wait for a client. Unset means 512.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +kubebuilder:example=1024
	QueueMessages int32 `json:"queueMessages,omitempty"`

	// What happens when more would wait: Disconnect, DropOldest or DropNewest. Unset means Disconnect, which bears with a burst
	// of a second.
	// +optional
	Overflow Overflow `json:"overflow,omitempty"`
}
