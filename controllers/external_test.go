// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/x509"
	"encoding/pem"
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
	"github.com/brokermesh/brokermesh/pkg/broker"
	brokertls "github.com/brokermesh/brokermesh/pkg/broker/peering"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
)

func externalNode(name, address string) *v1alpha1.BrokerNode {
	return brokerNode(name, func(n *v1alpha1.BrokerNode) { n.Spec.External = &v1alpha1.ExternalSpec{Address: address} })
}

// elsewhere is an endpoint that somebody runs with the certificate of an external node.
func (w *world) elsewhere(name string) *broker.Endpoint {
	w.t.Helper()
	var secret corev1.Secret
	w.appears(manifest.SecretName(name), &secret)
	e, err := broker.New(broker.Options{TLS: &brokertls.TLS{
		CAPEM: secret.Data[manifest.CAKey], CertPEM: secret.Data[manifest.CertKey], KeyPEM: secret.Data[manifest.KeyKey],
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.leave(e) })
	return e
}

func (w *world) leave(e *broker.Endpoint) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		w.t.Errorf("close an endpoint: %v", err)
	}
}

func (w *world) nodeIs(name string, status metav1.ConditionStatus, reason v1alpha1.Reason, peers string) error {
	n := w.node(name)
	if n.Status.Peers != peers {
		return fmt.Errorf("peers of %s: %q", name, n.Status.Peers)
	}
	return condition(n.Status.Conditions, v1alpha1.ConditionReady, status, string(reason))
}

// TestExternal has endpoints with the certificates of external nodes come to a node and go, and one that no peering is about.
func TestExternal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := &engines{world: w, at: make(map[string]string)}
	w.options.Address = e.address
	w.start()
	w.create(brokerNode("hub"), externalNode("zeek", "zeek.example.org:9999"), externalNode("stray", ""), peering("zeek", "hub"))
	hub := e.run("hub")
	w.eventually("nobody has come", func() error {
		return errors.Join(w.nodeReady("hub"), w.nodeIs("zeek", metav1.ConditionFalse, v1alpha1.ReasonNotSeen, "0/1"),
			w.nodeIs("stray", metav1.ConditionUnknown, v1alpha1.ReasonNotSeen, "0/0"),
			w.peeringIs("zeek-hub", metav1.ConditionFalse, v1alpha1.ReasonConnecting))
	})
	zeek := w.elsewhere("zeek")
	if err := zeek.PeerAsync(brokerPort(t, hub), broker.PeerOptions{}); err != nil {
		t.Fatal(err)
	}
	w.eventually("zeek has come", func() error {
		return errors.Join(w.nodeIs("zeek", metav1.ConditionTrue, v1alpha1.ReasonSeenByPeers, "1/1"), w.nodeIs("hub", metav1.ConditionTrue, v1alpha1.ReasonListening, "1/1"),
			w.peeringIs("zeek-hub", metav1.ConditionTrue, v1alpha1.ReasonOneSided))
	})
	if s := w.node("zeek").Status; s.EndpointID != zeek.ID().String() || len(s.Pods) != 0 ||
		condition(s.Conditions, v1alpha1.ConditionConfigured, metav1.ConditionTrue, string(v1alpha1.ReasonRunsElsewhere)) != nil {
		t.Errorf("status of zeek: %+v; its endpoint is %s", s, zeek.ID())
	}
	stray := w.elsewhere("stray")
	if err := stray.PeerAsync(brokerPort(t, hub), broker.PeerOptions{}); err != nil {
		t.Fatal(err)
	}
	w.eventually("somebody undeclared has come", func() error {
		if n := w.node("hub").Status.UndeclaredPeers; n != 1 {
			return fmt.Errorf("%d undeclared peers", n)
		}
		return nil
	})
	w.leave(zeek)
	w.eventually("zeek has gone", func() error {
		return errors.Join(w.nodeIs("zeek", metav1.ConditionFalse, v1alpha1.ReasonNotSeen, "0/1"),
			w.peeringIs("zeek-hub", metav1.ConditionFalse, v1alpha1.ReasonConnecting))
	})
	w.nothingButSecret("zeek")
}

// nothingButSecret wants the certificate of an external node, and no other object.
func (w *world) nothingButSecret(name string) {
	w.t.Helper()
	var secret corev1.Secret
	w.mustGet(manifest.SecretName(name), &secret)
	block, _ := pem.Decode(secret.Data[manifest.CertKey])
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	if cert.URIs[0].String() != meshtls.NodeURI(w.namespace, name) || cert.VerifyHostname("zeek.example.org") != nil {
		w.t.Errorf("a certificate for %v, %v", cert.URIs, cert.DNSNames)
	}
	for object, o := range map[string]client.Object{
		name: &appsv1.StatefulSet{}, manifest.ServiceName(name): &corev1.Service{}, manifest.ConfigMapName(name): &corev1.ConfigMap{},
	} {
		if err := w.get(object, o); !apierrors.IsNotFound(err) {
			w.t.Errorf("%T %s: %v", o, object, err)
		}
	}
	if err := w.get(name, &corev1.ServiceAccount{}); !apierrors.IsNotFound(err) {
		w.t.Errorf("a ServiceAccount: %v", err)
	}
}

// TestExternalConflict: somebody else's Secret is left alone, and the address is part of the certificate as soon as it is known.
func TestExternalConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: manifest.SecretName("taken")}, Data: map[string][]byte{"a": []byte("b")}})
	w.create(externalNode("taken", ""), externalNode("zeek", ""))
	w.eventually("a conflict", func() error {
		return condition(w.node("taken").Status.Conditions, v1alpha1.ConditionConfigured, metav1.ConditionFalse, string(v1alpha1.ReasonConflict))
	})
	var before corev1.Secret
	w.appears(manifest.SecretName("zeek"), &before)
	n := &v1alpha1.BrokerNode{}
	w.change("zeek", n, "somebody", func() { n.Spec.External.Address = "zeek.example.org:9999" })
	w.eventually("another certificate", func() error {
		var now corev1.Secret
		if err := w.get(manifest.SecretName("zeek"), &now); err != nil || string(now.Data[manifest.CertKey]) == string(before.Data[manifest.CertKey]) {
			return errors.Join(err, errors.New("not yet"))
		}
		return nil
	})
	w.nothingButSecret("zeek")
}
