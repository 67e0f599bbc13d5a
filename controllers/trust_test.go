// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

func (w *world) remove(o client.Object, name string) {
	w.t.Helper()
	o.SetNamespace(w.namespace)
	o.SetName(name)
	if err := w.client.Delete(w.t.Context(), o); err != nil {
		w.t.Fatalf("delete %T %s: %v", o, name, err)
	}
}

// TestCAMissing takes the authority away. Nothing that runs is touched, no new one is made behind the user's back, and the old one may
// come back.
func TestCAMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.triangle()
	var ca, before, after corev1.Secret
	w.mustGet(CASecret, &ca)
	w.mustGet("a-tls", &before)
	w.remove(&corev1.Secret{}, CASecret)
	w.eventually("the loss shows", func() error {
		return condition(w.node("a").Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, string(v1alpha1.ReasonCAMissing))
	})
	w.event(string(v1alpha1.ReasonCAMissing), "CA")
	if err := w.get(CASecret, &corev1.Secret{}); !apierrors.IsNotFound(err) {
		t.Errorf("the authority: %v", err)
	}
	if err := w.peeringIs("a-b", metav1.ConditionTrue, v1alpha1.ReasonBothEndsAgree); err != nil {
		t.Errorf("what runs goes on: %v", err)
	}
	w.mustGet("a-tls", &after)
	if after.ResourceVersion != before.ResourceVersion {
		t.Error("the node's certificate was written")
	}

	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: CASecret}, Data: ca.Data}) // without the operator's labels
	w.healthy()
	w.mustGet("a-tls", &after)
	if !bytes.Equal(after.Data[manifest.CertKey], before.Data[manifest.CertKey]) {
		t.Error("the certificate that the restored authority signed was replaced")
	}
}

// TestNewCA is for a mesh whose certificates are gone as well.
func TestNewCA(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a"))
	w.appears("a", &appsv1.StatefulSet{})
	var old, tools, oldTools corev1.Secret
	w.mustGet(CASecret, &old)
	w.mustGet(ClientSecret, &oldTools)
	w.stop()
	w.remove(&corev1.Secret{}, CASecret)
	w.remove(&corev1.Secret{}, "a-tls")
	w.start()
	var secret, ca corev1.Secret
	w.appears("a-tls", &secret)
	w.mustGet(CASecret, &ca)
	if bytes.Equal(ca.Data[manifest.CAKey], old.Data[manifest.CAKey]) {
		t.Error("the authority is the old one")
	}
	authority, err := pki.ParseAuthority(ca.Data[manifest.CAKey], ca.Data[caKeyKey])
	if err != nil {
		t.Fatal(err)
	}
	leaf := pki.Leaf{Cert: secret.Data[manifest.CertKey], Key: secret.Data[manifest.KeyKey]}
	if err := authority.Check(leaf, time.Now(), pki.NodeRequest(w.namespace, "a")); err != nil {
		t.Errorf("the node's certificate: %v", err)
	}
	w.eventually("the tools have a certificate of the new authority", func() error {
		w.mustGet(ClientSecret, &tools)
		leaf := pki.Leaf{Cert: tools.Data[manifest.CertKey], Key: tools.Data[manifest.KeyKey]}
		return errors.Join(authority.Check(leaf, time.Now(), pki.ClientRequest(w.namespace)))
	})
}

// TestOwnCA uses an authority that was there before the mesh.
func TestOwnCA(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	authority, err := pki.NewAuthority(rand.Reader, time.Now(), "mine")
	if err != nil {
		t.Fatal(err)
	}
	key, err := authority.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	mine := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: CASecret},
		Data:       map[string][]byte{manifest.CAKey: authority.CertPEM(), caKeyKey: key},
	}
	w.create(mine, brokerNode("a"))
	w.start()
	var secret, ca corev1.Secret
	w.appears("a-tls", &secret)
	leaf := pki.Leaf{Cert: secret.Data[manifest.CertKey], Key: secret.Data[manifest.KeyKey]}
	if err := authority.Check(leaf, time.Now(), pki.NodeRequest(w.namespace, "a")); err != nil {
		t.Error(err)
	}
	w.mustGet(CASecret, &ca)
	if ca.ResourceVersion != mine.ResourceVersion {
		t.Error("the user's authority was written")
	}
}

func renewalOf(t *testing.T, l pki.Leaf) time.Time {
	t.Helper()
	c, err := l.TLS()
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf.NotAfter.Add(-c.Leaf.NotAfter.Sub(c.Leaf.NotBefore) / 3)
}

// TestRenewal lets the manager's clock run ahead. Only the Secret changes.
func TestRenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a"))
	var set, sameSet appsv1.StatefulSet
	w.appears("a", &set)
	var before corev1.Secret
	w.mustGet("a-tls", &before)
	w.stop()

	ahead := pki.LeafLifetime * 3 / 4
	w.options.Now = func() time.Time { return time.Now().Add(ahead) }
	w.start()
	w.eventually("the certificate is renewed", func() error {
		var after corev1.Secret
		w.mustGet("a-tls", &after)
		if bytes.Equal(after.Data[manifest.CertKey], before.Data[manifest.CertKey]) {
			return errors.New("it is the old one")
		}
		leaf := pki.Leaf{Cert: after.Data[manifest.CertKey], Key: after.Data[manifest.KeyKey]}
		if at := renewalOf(t, leaf); at.Before(time.Now().Add(ahead)) {
			return fmt.Errorf("to be renewed at %v", at)
		}
		return nil
	})
	w.event("Updated", "Secret a-tls", "data.tls.crt")
	w.mustGet("a", &sameSet)
	if sameSet.Generation != set.Generation {
		t.Error("the renewal reached the StatefulSet")
	}
}

// TestSecretIsPutBack changes and removes what the operator put into Secrets.
func TestSecretIsPutBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a"))
	w.appears("a", &appsv1.StatefulSet{})
	var before, secret corev1.Secret
	w.mustGet("a-tls", &before)
	w.change("a-tls", &secret, "somebody", func() { secret.Data[manifest.CAKey] = []byte("mine") })
	w.event("ChangeUndone", "Secret a-tls", "data.ca.crt", "somebody")
	w.mustGet("a-tls", &secret)
	for _, key := range []string{manifest.CAKey, manifest.CertKey, manifest.KeyKey} {
		if !bytes.Equal(secret.Data[key], before.Data[key]) {
			t.Errorf("%s is not what it was", key)
		}
	}
	for _, name := range []string{"a-tls", ClientSecret} {
		w.mustGet(name, &secret)
		old := secret.UID
		w.remove(&corev1.Secret{}, name)
		w.eventually(name+" is made anew", func() error {
			if err := w.get(name, &secret); err != nil {
				return err
			}
			if secret.UID == old {
				return errors.New("it is the old one")
			}
			return nil
		})
	}
}
