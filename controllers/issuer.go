// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

// ManagerSecret holds the manager's own certificate in a mesh with an issuer. Meshes with an authority have none: there it is in memory.
const ManagerSecret = "brokermesh-manager"

// Keys of the authority's Secret that name an issuer of cert-manager in the place of an authority.
const (
	issuerName  = "issuer-name"
	issuerKind  = "issuer-kind"
	issuerGroup = "issuer-group"
)

// certificateLook is when a Certificate is looked at again that nobody has reason to change.
const certificateLook = 10 * time.Minute

// asked is a Certificate that was seen to.
type asked struct {
	sum [sha256.Size]byte
	at  time.Time
}

func issuerOf(data map[string][]byte) *manifest.IssuerRef {
	if len(data[issuerName]) == 0 {
		return nil
	}
	return &manifest.IssuerRef{Name: string(data[issuerName]), Kind: string(data[issuerKind]), Group: string(data[issuerGroup])}
}

// issued sees to the Certificates of a node and of its mesh, and gives the node's Secret once it is issued.
func (r *brokerNodes) issued(ctx context.Context, node *v1alpha1.BrokerNode, m *meshTrust) (nodeSecret, error) {
	for _, c := range []struct {
		secret  string
		owner   *v1alpha1.BrokerNode
		request pki.Request
	}{
		{ManagerSecret, nil, pki.ManagerRequest(node.Namespace)},
		{ClientSecret, nil, pki.ClientRequest(node.Namespace)},
		{manifest.SecretName(node.Name), node, leafRequest(node)},
	} {
		err := r.certificate(ctx, node, manifest.CertificateInput{
			Namespace: node.Namespace, Secret: c.secret, Owner: c.owner, Issuer: *m.issuer, CommonName: c.request.CommonName,
			URI: c.request.URI, DNSNames: c.request.DNSNames, IPs: c.request.IPs, Lifetime: cmp.Or(r.trust.lives.Leaf, pki.LeafLifetime),
		})
		if apimeta.IsNoMatchError(err) {
			return nodeSecret{}, &conflictError{fmt.Sprintf("Secret %s names an issuer, but this cluster has no %s: cert-manager isn't installed",
				CASecret, manifest.CertificateKind.GroupKind())}
		} else if err != nil {
			return nodeSecret{}, err
		}
	}
	if err := r.trust.show(ctx, node.Namespace, m); err != nil {
		return nodeSecret{}, err
	}
	key := client.ObjectKey{Namespace: node.Namespace, Name: manifest.SecretName(node.Name)}
	ready, err := r.trust.complete(ctx, key)
	if err != nil || ready {
		return nodeSecret{settled: true}, err
	}
	return nodeSecret{settled: true, pending: fmt.Sprintf("Certificate %s is not issued yet by %s %s", key.Name, cmp.Or(m.issuer.Kind, "Issuer"), m.issuer.Name)}, nil
}

// certificate applies a Certificate, if it isn't what it should be. Those without an owner are told by their label.
func (r *brokerNodes) certificate(ctx context.Context, reporting *v1alpha1.BrokerNode, in manifest.CertificateInput) error {
	desired := manifest.Certificate(in)
	body, err := json.Marshal(desired)
	if err != nil {
		return fmt.Errorf("encode Certificate: %w", err)
	}
	sum := sha256.Sum256(body)
	if r.trust.askedLately(desired, sum) {
		return nil
	}
	if in.Owner != nil {
		err = r.applier.optional(ctx, in.Owner, desired, true)
	} else {
		err = r.applier.shared(ctx, reporting, desired, body)
	}
	if err == nil {
		r.trust.ask(desired, sum)
	}
	return err
}

// shared applies an object that belongs to the whole mesh. One that the operator didn't make is left as it is.
func (a *applier) shared(ctx context.Context, reporting *v1alpha1.BrokerNode, desired manifest.Object, body []byte) error {
	live, err := a.live(ctx, desired)
	if err != nil {
		return err
	}
	if live != nil {
		doc, err := manifest.Document(desired)
		if err != nil {
			return err
		}
		diffs, err := compareOwned(live, doc, FieldManager)
		if err != nil || len(diffs) == 0 || live.GetLabels()[manifest.ManagedByLabel] != manifest.ManagedBy {
			return err
		}
	}
	answer, err := fresh(a.client, desired)
	if err != nil {
		return err
	}
	kind := desired.GetObjectKind().GroupVersionKind().Kind
	err = a.client.Patch(ctx, answer, client.RawPatch(types.ApplyPatchType, body), client.FieldOwner(FieldManager), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("apply %s %s: %w", kind, desired.GetName(), err)
	}
	if live == nil {
		a.events.Eventf(reporting, answer, corev1.EventTypeNormal, "Created", "Apply", "%s %s created", kind, answer.GetName())
	}
	return nil
}

func (t *trust) askedLately(o manifest.Object, sum [sha256.Size]byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, ok := t.mu.asked[o.GetNamespace()][o.GetName()]
	return ok && a.sum == sum && t.now().Sub(a.at) < certificateLook
}

func (t *trust) ask(o manifest.Object, sum [sha256.Size]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.asked[o.GetNamespace()] == nil {
		t.mu.asked[o.GetNamespace()] = make(map[string]asked)
	}
	t.mu.asked[o.GetNamespace()][o.GetName()] = asked{sum, t.now()}
}

// complete says whether an issuer has filled a Secret.
func (t *trust) complete(ctx context.Context, key client.ObjectKey) (bool, error) {
	if _, ok, err := t.good(ctx, key, nil); err != nil || ok {
		return ok, err
	}
	live, err := t.read(ctx, key)
	if err != nil || live == nil {
		return false, err
	}
	c := certificatesOf(live)
	if len(c.CA) == 0 || len(c.Cert) == 0 || len(c.Key) == 0 {
		return false, nil
	}
	t.keep(live, nil)
	return true, nil
}

// show reads the manager's own certificate, if it is another one than it has.
func (t *trust) show(ctx context.Context, namespace string, m *meshTrust) error {
	key := client.ObjectKey{Namespace: namespace, Name: ManagerSecret}
	if _, ok, err := t.good(ctx, key, nil); err != nil || ok && m.roots != nil {
		return err
	}
	live, err := t.read(ctx, key)
	if err != nil || live == nil {
		return err
	}
	c := certificatesOf(live)
	cert, err := pki.Leaf{Cert: c.Cert, Key: c.Key}.TLS()
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(c.CA) {
		return nil // not issued yet
	}
	next := *m
	next.cert, next.roots = cert, roots
	t.remember(namespace, &next)
	t.keep(live, nil)
	return nil
}
