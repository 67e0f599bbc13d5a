// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

// certified says what of the names a node's certificate isn't for.
func (w *world) certified(node string, names ...string) error {
	var secret corev1.Secret
	if err := w.get(manifest.SecretName(node), &secret); err != nil {
		return err
	}
	block, _ := pem.Decode(secret.Data[manifest.CertKey])
	if block == nil {
		return errors.New("no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	for _, name := range names {
		if err == nil {
			err = cert.VerifyHostname(name)
		}
	}
	return err
}

// TestServiceNames: the certificate of a node with a Service is for the Service's names too. One of a former version of the operator is
// renewed in its place, one that has them stays, and nothing of this touches the pods.
func TestServiceNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	serving := func(n *v1alpha1.BrokerNode) { n.Spec.Service = &v1alpha1.ServiceSpec{} }
	authority, err := pki.NewAuthority(rand.Reader, time.Now(), "former")
	if err != nil {
		t.Fatal(err)
	}
	key, err := authority.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := authority.Issue(rand.Reader, time.Now(), pki.NodeRequest(w.namespace, "former"))
	if err != nil {
		t.Fatal(err)
	}
	former := brokerNode("former", serving)
	w.create(former, brokerNode("plain"), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: CASecret},
		Data: map[string][]byte{manifest.CAKey: authority.CertPEM(), caKeyKey: key}})
	secret := manifest.Build(manifest.Input{Node: former, Certificates: manifest.Certificates{CA: authority.CertPEM(), Cert: leaf.Cert, Key: leaf.Key}}).Secret
	w.create(secret)
	w.start()
	names := func(node string) []string {
		service := node + "." + w.namespace + ".svc"
		return []string{node, node + "." + w.namespace, service, service + ".cluster.local", node + "-0." + node + "-pods." + w.namespace + ".svc"}
	}
	w.eventually("the former certificate is renewed", func() error { return w.certified("former", names("former")...) })

	var set appsv1.StatefulSet
	var before corev1.Secret
	w.appears("plain", &set)
	w.appears(manifest.SecretName("plain"), &before)
	if err := w.certified("plain", "plain"); err == nil {
		t.Error("a node without a Service has a certificate for one")
	}
	n := &v1alpha1.BrokerNode{}
	w.change("plain", n, "somebody", func() { serving(n) })
	w.eventually("a certificate for the new Service", func() error { return w.certified("plain", names("plain")...) })
	generation := set.Generation
	if w.mustGet("plain", &set); set.Generation != generation {
		t.Errorf("the StatefulSet is at generation %d, was at %d", set.Generation, generation)
	}

	w.mustGet(manifest.SecretName("plain"), &before)
	w.change("plain", n, "somebody", func() { n.Spec.LogLevel = v1alpha1.LogDebug })
	w.eventually("a change that is about something else", func() error {
		if now := w.node("plain"); now.Status.ObservedGeneration != now.Generation {
			return fmt.Errorf("seen generation %d", now.Status.ObservedGeneration)
		}
		return nil
	})
	var after corev1.Secret
	if w.mustGet(manifest.SecretName("plain"), &after); after.ResourceVersion != before.ResourceVersion {
		t.Error("a certificate with all names was replaced")
	}
}
