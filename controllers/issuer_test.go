// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

// defineCertificates makes the API server serve the kind of cert-manager, without its rules and without anybody behind it.
func defineCertificates(w *world) {
	w.t.Helper()
	definition := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "certificates.cert-manager.io"},
		"spec": map[string]any{
			"group": "cert-manager.io", "scope": "Namespaced",
			"names": map[string]any{"plural": "certificates", "singular": "certificate", "kind": "Certificate", "listKind": "CertificateList"},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			}},
		},
	}}
	if err := w.client.Create(w.t.Context(), definition); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := w.client.Delete(ctx, definition); err != nil {
			w.t.Error(err)
		}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil && !apierrors.IsNotFound(w.client.Get(ctx, client.ObjectKeyFromObject(definition), definition)) {
			<-tick.C // whoever runs the test again finds nothing of it
		}
	})
}

// certificate waits for a Certificate.
func (w *world) certificate(name string) *unstructured.Unstructured {
	w.t.Helper()
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(manifest.CertificateKind)
	w.appears(name, o)
	return o
}

// issue does what cert-manager does for a Certificate.
func (w *world) issue(a *pki.Authority, name string) {
	w.t.Helper()
	o := w.certificate(name)
	text := func(path ...string) string {
		s, _, _ := unstructured.NestedString(o.Object, path...)
		return s
	}
	uris, _, _ := unstructured.NestedStringSlice(o.Object, "spec", "uris")
	names, _, _ := unstructured.NestedStringSlice(o.Object, "spec", "dnsNames")
	labels, _, _ := unstructured.NestedStringMap(o.Object, "spec", "secretTemplate", "labels")
	leaf, err := a.Issue(rand.Reader, time.Now(), pki.Request{CommonName: text("spec", "commonName"), URI: uris[0], DNSNames: names})
	if err != nil {
		w.t.Fatal(err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: text("spec", "secretName"), Labels: labels}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{manifest.CAKey: a.CertPEM(), manifest.CertKey: leaf.Cert, manifest.KeyKey: leaf.Key},
	}
	w.create(secret)
}

// TestIssuerOfMesh: a BrokerMesh names who signs, and makes nothing where somebody else does.
func TestIssuerOfMesh(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerMesh("zeek", v1alpha1.BrokerMeshSpec{IssuerRef: &v1alpha1.IssuerRef{Name: "site", Kind: "ClusterIssuer", Group: "cert-manager.io"}}))
	var secret corev1.Secret
	w.appears(CASecret, &secret)
	if string(secret.Data[issuerName]) != "site" || string(secret.Data[issuerKind]) != "ClusterIssuer" || len(secret.Data[caKeyKey]) > 0 {
		t.Errorf("the authority's Secret has %d keys, issuer %q", len(secret.Data), secret.Data[issuerName])
	}
	w.appears("manager", &v1alpha1.BrokerNode{})

	other := newWorld(t)
	other.start()
	other.create(brokerNode("first"))
	other.appears(CASecret, &secret)
	other.create(brokerMesh("zeek", v1alpha1.BrokerMeshSpec{IssuerRef: &v1alpha1.IssuerRef{Name: "site", Kind: "Issuer", Group: "cert-manager.io"}}))
	other.eventually("a conflict, and no nodes", func() error {
		if err := other.get("manager", &v1alpha1.BrokerNode{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("manager: %v", err)
		}
		return other.meshIs("0/1", "0/0", metav1.ConditionFalse, v1alpha1.ReasonConflict)
	})
}

// TestIssuer has somebody else sign for a mesh.
func TestIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: CASecret}, Data: map[string][]byte{issuerName: []byte("mine"), issuerKind: []byte("ClusterIssuer")},
	})
	w.start()
	w.create(brokerNode("a"), brokerNode("b"), brokerNode("c"), peering("a", "b"), peering("c", "b"), dataStore("s", "b", "a", "c"))
	w.event(string(v1alpha1.ReasonConflict), "cert-manager isn't installed")

	defineCertificates(w)
	if issuer, _, _ := unstructured.NestedStringMap(w.certificate("a-tls").Object, "spec", "issuerRef"); issuer["name"] != "mine" || issuer["kind"] != "ClusterIssuer" {
		t.Errorf("issuer %v", issuer)
	}
	w.eventually("the node waits for its certificate", func() error {
		return condition(w.node("a").Status.Conditions, v1alpha1.ConditionConfigured, metav1.ConditionFalse, string(v1alpha1.ReasonCertificatePending))
	})
	if err := w.get("a", &appsv1.StatefulSet{}); !apierrors.IsNotFound(err) {
		t.Errorf("a StatefulSet without a certificate: %v", err)
	}
	authority, err := pki.NewAuthority(rand.Reader, time.Now(), "somebody else's")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ManagerSecret, ClientSecret, "a-tls", "b-tls", "c-tls"} {
		w.issue(authority, name)
	}
	pods := map[string]*puppet{"a": w.puppets.run("a"), "b": w.puppets.run("b"), "c": w.puppets.run("c")}
	w.healthy()
	var before, after corev1.Secret
	w.mustGet("a-tls", &before)
	w.moreAnswers(pods, 3, true)
	w.mustGet("a-tls", &after)
	if after.ResourceVersion != before.ResourceVersion || len(after.OwnerReferences) > 0 {
		t.Errorf("the issuer's Secret was written: %v", after.ObjectMeta)
	}
	w.create(brokerNode("zeek", func(n *v1alpha1.BrokerNode) { n.Spec.External = &v1alpha1.ExternalSpec{Address: "192.0.2.7:9999"} }))
	if addresses, _, _ := unstructured.NestedStringSlice(w.certificate("zeek-tls").Object, "spec", "ipAddresses"); len(addresses) != 1 || addresses[0] != "192.0.2.7" {
		t.Errorf("addresses of an external node's Certificate: %q", addresses)
	}
	w.issue(authority, "zeek-tls")
	w.eventually("the external node has its certificate", func() error {
		conditions := w.node("zeek").Status.Conditions
		return errors.Join(condition(conditions, v1alpha1.ConditionConfigured, metav1.ConditionTrue, string(v1alpha1.ReasonRunsElsewhere)),
			condition(conditions, v1alpha1.ConditionReady, metav1.ConditionUnknown, string(v1alpha1.ReasonNotSeen)))
	})
	o := w.certificate("a-tls")
	if owners := o.GetOwnerReferences(); len(owners) != 1 || owners[0].UID != w.node("a").UID {
		t.Errorf("owners of the Certificate: %v", owners)
	}
	var ca corev1.Secret
	w.mustGet(CASecret, &ca)
	if len(ca.Data) != 2 {
		t.Errorf("%d keys in %s", len(ca.Data), CASecret)
	}

	// A manager that comes later finds all in place.
	w.stop()
	writes := len(w.requests.writes())
	w.start()
	w.moreAnswers(pods, 4, true)
	w.healthy()
	if got := w.requests.writes()[writes:]; len(got) > 0 {
		t.Errorf("writes of a new manager: %q", got)
	}
	w.certificateRenewed(authority)
}

// certificateRenewed renews the manager's certificate and its CA, as an issuer does after some time.
func (w *world) certificateRenewed(old *pki.Authority) {
	w.t.Helper()
	key := func(s *corev1.Secret) string { return fmt.Sprintf("%s/%s", s.UID, s.ResourceVersion) }
	leaf, err := old.Issue(rand.Reader, time.Now(), pki.ManagerRequest(w.namespace))
	if err != nil {
		w.t.Fatal(err)
	}
	var secret corev1.Secret
	w.mustGet(ManagerSecret, &secret)
	was := key(&secret)
	w.change(ManagerSecret, &secret, "cert-manager", func() { secret.Data[manifest.CertKey], secret.Data[manifest.KeyKey] = leaf.Cert, leaf.Key })
	w.eventually("the Secret is another version, and the mesh well", func() error {
		w.mustGet(ManagerSecret, &secret)
		if key(&secret) == was {
			return errors.New("it is the old one")
		}
		return errors.Join(w.nodeReady("a"), w.nodeReady("b"))
	})
}
