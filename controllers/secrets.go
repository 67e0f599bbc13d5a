// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

// Secrets are watched by their metadata: the caches hold no key of anybody. What was found or written is remembered in few words with
// the version that it was in, and contents are asked for only when the version is another.

// kept is what a Secret with a certificate is known to hold.
type kept struct {
	version   string
	authority *pki.Authority // under which it was found to be good
	renewal   time.Time      // zero: not before the authority changes
	names     string         // for which its certificate was issued
	// What the pods of its node report once they have it.
	trustHash, serial string
	// content is the digest that stands for its certificates; see v1alpha1.InstalledAnnotation.
	content string
}

// metadata is what the cache knows of a Secret; nil if it knows none, which doesn't say that there is none.
func (t *trust) metadata(ctx context.Context, key client.ObjectKey) (*metav1.PartialObjectMetadata, error) {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := t.client.Get(ctx, key, meta)
	if apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("look at Secret %s: %w", key.Name, err)
	}
	return meta, nil
}

// versionOf tells versions of objects of one name apart.
func versionOf(o metav1.Object) string { return string(o.GetUID()) + "/" + o.GetResourceVersion() }

// good says whether the Secret is still as it was when it was found to be good for the authority. Nil stands for any.
func (t *trust) good(ctx context.Context, key client.ObjectKey, a *pki.Authority) (kept, bool, error) {
	meta, err := t.metadata(ctx, key)
	if err != nil || meta == nil {
		return kept{}, false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k, ok := t.mu.kept[key.Namespace][key.Name]
	if !ok || k.version != versionOf(meta) {
		return kept{}, false, nil
	}
	return k, a == nil || a == k.authority && (k.renewal.IsZero() || t.now().Before(k.renewal)), nil
}

// keep remembers a Secret that is good.
func (t *trust) keep(s *corev1.Secret, a *pki.Authority) {
	c := certificatesOf(s)
	leaf := pki.Leaf{Cert: c.Cert, Key: c.Key}
	k := kept{version: versionOf(s), authority: a, trustHash: meshtls.Hash(c.CA), serial: leaf.Serial(), names: leaf.Names()}
	k.content = contentOf(c.CA, c.Cert)
	if a != nil {
		k.renewal = a.RenewAt(leaf)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.kept[s.Namespace] == nil {
		t.mu.kept[s.Namespace] = make(map[string]kept)
	}
	t.mu.kept[s.Namespace][s.Name] = k
}

// contentOf is what `cat ca.crt tls.crt | sha256sum` prints.
func contentOf(ca, cert []byte) string {
	sum := sha256.Sum256(slices.Concat(ca, cert))
	return hex.EncodeToString(sum[:])
}

// drop forgets the Secret of a node that is no more.
func (t *trust) drop(key client.ObjectKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mu.kept[key.Namespace], key.Name)
}

// certificates are what the Secrets of a mesh hold, as far as this manager has seen to them, by name.
func (t *trust) certificates(namespace string) map[string]certified {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make(map[string]certified, len(t.mu.kept[namespace]))
	for name, k := range t.mu.kept[namespace] {
		out[name] = certified{trustHash: k.trustHash, serial: k.serial, content: k.content}
	}
	return out
}

// nodeSecret is what there is to do about a node's Secret.
type nodeSecret struct {
	// settled: the Secret is as it should be, until renewal. The rest is empty then.
	settled bool
	renewal time.Time
	// live is the Secret as it is, nil if there is none, want what it should hold.
	live *corev1.Secret
	want manifest.Certificates
	// pending is what the Secret waits for at an issuer; empty if it doesn't.
	pending string
	// authority is nil as long as the mesh has none.
	authority *pki.Authority
}

// node gives a node's certificates: those in its Secret as long as they are good, else new ones. Without an authority those that it has
// stay, whatever they are.
func (t *trust) node(ctx context.Context, a *pki.Authority, node *v1alpha1.BrokerNode) (nodeSecret, error) {
	key := client.ObjectKey{Namespace: node.Namespace, Name: manifest.SecretName(node.Name)}
	request := leafRequest(node)
	if k, ok, err := t.good(ctx, key, a); err != nil || ok && (a == nil || k.names == request.Names()) {
		return nodeSecret{settled: ok, renewal: k.renewal}, err
	}
	live, err := t.read(ctx, key)
	if err != nil {
		return nodeSecret{}, err
	}
	if a == nil {
		return nodeSecret{live: live, want: certificatesOf(live)}, nil
	}
	mine := live
	if live != nil && !ownedBy(live, node) {
		mine = nil
	}
	leaf, err := t.leaf(a, mine, request)
	return nodeSecret{
		live: live, renewal: a.RenewAt(leaf), want: manifest.Certificates{CA: a.CertPEM(), Cert: leaf.Cert, Key: leaf.Key},
	}, err
}

// read asks the API server for a Secret; nil if there is none.
func (t *trust) read(ctx context.Context, key client.ObjectKey) (*corev1.Secret, error) {
	var live corev1.Secret
	err := t.uncached.Get(ctx, key, &live)
	if apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read Secret %s: %w", key.Name, err)
	}
	return &live, nil
}

// leaf is the one in the Secret (nil if there is none) as long as it is good, else a new one.
func (t *trust) leaf(a *pki.Authority, live *corev1.Secret, r pki.Request) (pki.Leaf, error) {
	if live != nil {
		leaf := pki.Leaf{Cert: live.Data[manifest.CertKey], Key: live.Data[manifest.KeyKey]}
		if a.Check(leaf, t.now(), r) == nil {
			return leaf, nil
		}
	}
	return a.Issue(t.random, t.now(), t.lasting(r))
}

// tools keeps the Secret with the certificate for people's tools. One that the operator didn't make is left alone.
func (t *trust) tools(ctx context.Context, a *pki.Authority, namespace string) error {
	key := client.ObjectKey{Namespace: namespace, Name: ClientSecret}
	if _, ok, err := t.good(ctx, key, a); err != nil || ok {
		return err
	}
	live, err := t.read(ctx, key)
	if err != nil || live != nil && live.Labels[manifest.ManagedByLabel] != manifest.ManagedBy {
		return err
	}
	leaf, err := t.leaf(a, live, pki.ClientRequest(namespace))
	if err != nil {
		return err
	}
	data := map[string][]byte{manifest.CAKey: a.CertPEM(), manifest.CertKey: leaf.Cert, manifest.KeyKey: leaf.Key}
	switch {
	case live == nil:
		live = &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: meshLabels()},
			Type:       corev1.SecretTypeTLS, Data: data,
		}
		err = t.client.Create(ctx, live, client.FieldOwner(FieldManager))
	case !sameData(live.Data, data):
		live.Data = data
		err = t.client.Update(ctx, live, client.FieldOwner(FieldManager))
	}
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err == nil {
		t.keep(live, a)
	}
	return err
}

func sameData(live, desired map[string][]byte) bool {
	for key, value := range desired {
		if string(live[key]) != string(value) {
			return false
		}
	}
	return true
}

func certificatesOf(secret *corev1.Secret) manifest.Certificates {
	if secret == nil {
		return manifest.Certificates{}
	}
	return manifest.Certificates{
		CA: secret.Data[manifest.CAKey], Cert: secret.Data[manifest.CertKey], Key: secret.Data[manifest.KeyKey],
	}
}
