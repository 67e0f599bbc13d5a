// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"net"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// IssuerRef names an issuer of cert-manager, of the mesh's namespace or of the cluster.
type IssuerRef struct {
	// Name is required. Kind is Issuer if it is empty, Group cert-manager.io.
	Name, Kind, Group string
}

// CertificateKind is cert-manager's kind for certificates that are to be issued and renewed.
var CertificateKind = schema.GroupVersionKind{Group: "cert-manager.io", Version: "v1", Kind: "Certificate"}

// CertificateInput is what a Certificate is made of.
type CertificateInput struct {
	Namespace string
	// Secret is the name of the Secret that the certificate goes to, and of the Certificate itself.
	Secret string
	// Owner takes the Certificate with it; nil for those that belong to the whole mesh.
	Owner      *v1alpha1.BrokerNode
	Issuer     IssuerRef
	CommonName string
	URI        string
	DNSNames   []string
	IPs        []net.IP
	// Lifetime is renewed when a third of it is left.
	Lifetime time.Duration
}

// Certificate asks cert-manager for a certificate with the same names, keys and lifetime as the operator's own authority would give it.
// It carries the operator's labels, and so does its Secret.
func Certificate(in CertificateInput) *unstructured.Unstructured {
	labels := map[string]string{"app.kubernetes.io/name": "brokermesh", ManagedByLabel: ManagedBy}
	if in.Owner != nil {
		labels = Labels(in.Owner.Name)
	}
	issuer := map[string]any{"name": in.Issuer.Name, "kind": "Issuer", "group": CertificateKind.Group}
	if in.Issuer.Kind != "" {
		issuer["kind"] = in.Issuer.Kind
	}
	if in.Issuer.Group != "" {
		issuer["group"] = in.Issuer.Group
	}
	spec := map[string]any{
		"secretName": in.Secret, "commonName": in.CommonName, "uris": []any{in.URI},
		"duration": in.Lifetime.String(), "renewBefore": (in.Lifetime / 3).String(),
		"usages":         []any{"digital signature", "server auth", "client auth"},
		"privateKey":     map[string]any{"algorithm": "ECDSA", "size": int64(256), "encoding": "PKCS8", "rotationPolicy": "Always"},
		"secretTemplate": map[string]any{"labels": untyped(labels)},
		"issuerRef":      issuer,
	}
	if len(in.DNSNames) > 0 {
		var names []any
		for _, name := range in.DNSNames {
			names = append(names, name)
		}
		spec["dnsNames"] = names
	}
	if len(in.IPs) > 0 {
		var addresses []any
		for _, ip := range in.IPs {
			addresses = append(addresses, ip.String())
		}
		spec["ipAddresses"] = addresses
	}
	o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	o.SetGroupVersionKind(CertificateKind)
	o.SetNamespace(in.Namespace)
	o.SetName(in.Secret)
	o.SetLabels(labels)
	if in.Owner != nil {
		o.SetOwnerReferences([]metav1.OwnerReference{OwnerReference(in.Owner)})
	}
	return o
}

func untyped(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for key, value := range m {
		out[key] = value
	}
	return out
}
