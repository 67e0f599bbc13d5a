// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/pki"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// Names of the Secrets of a mesh that belong to no node. They stay when the mesh goes.
const (
	// CASecret holds the mesh's authority: ca.crt and ca.key.
	CASecret = "brokermesh-ca"
	// ClientSecret holds a certificate for people's tools: ca.crt, tls.crt and tls.key.
	ClientSecret = "brokermesh-client"

	caKeyKey = "ca.key"
)

// Lifetimes are how long certificates are valid. What is 0 is as pkg/pki has it.
type Lifetimes struct{ Authority, Leaf time.Duration }

// caMissingError says that a mesh has certificates but no authority that could sign more, and that none is made behind its back.
type caMissingError struct{ message string }

func (e *caMissingError) Error() string { return e.message }

// trust makes and renews the certificates of all meshes. The mutex owns what is kept in memory; nothing is held over a request.
type trust struct {
	client   client.Client
	uncached client.Reader
	events   recorder.EventRecorder
	now      func() time.Time
	random   io.Reader
	lives    Lifetimes

	mu struct {
		sync.Mutex
		meshes   map[string]*meshTrust
		versions map[string]string // of the Secrets of authorities, as they were read last
		// asked are the Certificates that were seen to, by namespace and name.
		asked map[string]map[string]asked
		// kept is what the Secrets of nodes and tools hold, by namespace and name.
		kept map[string]map[string]kept
	}
}

func newTrust(c client.Client, uncached client.Reader, events recorder.EventRecorder, o Options) *trust {
	t := &trust{client: c, uncached: uncached, events: events, now: o.Now, random: o.Random, lives: o.Lifetimes}
	t.mu.meshes = make(map[string]*meshTrust)
	t.mu.versions = make(map[string]string)
	t.mu.asked = make(map[string]map[string]asked)
	t.mu.kept = make(map[string]map[string]kept)
	return t
}

// meshTrust is what the manager itself needs to talk to the nodes of a mesh. It is immutable.
type meshTrust struct {
	sum [sha256.Size]byte // of the authority's Secret
	// issuer signs in the place of an authority; ring, authority and leaf are empty then. Nil if the mesh has an authority of its own.
	issuer    *manifest.IssuerRef
	ring      pki.Keyring
	authority *pki.Authority
	leaf      pki.Leaf
	// cert is what the manager shows to nodes, roots what it trusts. They are empty until an issuer has issued them.
	cert  tls.Certificate
	roots *x509.CertPool
}

// of gives who signs for a mesh: an issuer, or an authority, which is made if the mesh has no certificates yet. nodes are the BrokerNodes
// that exist.
func (t *trust) of(ctx context.Context, namespace string, nodes []v1alpha1.BrokerNode) (*meshTrust, error) {
	_, m, err := t.keyring(ctx, namespace)
	if apierrors.IsNotFound(err) {
		if err = t.makeCA(ctx, namespace, nodes); err == nil {
			_, m, err = t.keyring(ctx, namespace)
		}
	}
	return m, err
}

// keyring gives what is known of the mesh's authority, and the metadata of its Secret, which is read only if it is another one than last
// time.
func (t *trust) keyring(ctx context.Context, namespace string) (metav1.Object, *meshTrust, error) {
	key := client.ObjectKey{Namespace: namespace, Name: CASecret}
	meta, err := t.metadata(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	known := t.known(namespace)
	if meta != nil && known != nil && t.version(namespace) == versionOf(meta) {
		return meta, known, nil
	}
	secret := &corev1.Secret{}
	if err := t.uncached.Get(ctx, key, secret); err != nil {
		return nil, nil, err
	}
	if sum := sumOf(secret.Data); known == nil || known.sum != sum {
		if known, err = t.parse(namespace, secret, sum); err != nil {
			return nil, nil, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.versions[namespace] = versionOf(secret)
	return secret, known, nil
}

// parse reads the Secret of a mesh's authority, and keeps it.
func (t *trust) parse(namespace string, secret *corev1.Secret, sum [sha256.Size]byte) (*meshTrust, error) {
	if issuer := issuerOf(secret.Data); issuer != nil {
		m := &meshTrust{sum: sum, issuer: issuer}
		t.remember(namespace, m)
		return m, nil
	}
	ring, err := pki.ParseKeyring(secret.Data)
	if err != nil {
		return nil, &caMissingError{fmt.Sprintf("Secret %s can't sign: %v", CASecret, err)}
	}
	return t.learn(namespace, &meshTrust{sum: sum, ring: ring, authority: ring.Authority(), roots: ring.Authority().Pool()})
}

func (t *trust) remember(namespace string, m *meshTrust) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.meshes[namespace] = m
}

func sumOf(data map[string][]byte) [sha256.Size]byte {
	h := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(data)) {
		fmt.Fprintf(h, "%q %q\n", key, data[key])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// makeCA creates the authority's Secret. Create decides between managers that try at the same time: the loser will read the winner's.
func (t *trust) makeCA(ctx context.Context, namespace string, nodes []v1alpha1.BrokerNode) error {
	if name, err := t.signedNode(ctx, namespace, nodes); err != nil {
		return err
	} else if name != "" {
		return &caMissingError{fmt.Sprintf("Secret %s is missing, but Secret %s was signed by it; restore it, or remove the certificates of all nodes to start anew",
			CASecret, manifest.SecretName(name))}
	}
	authority, err := t.newAuthority(namespace)
	if err != nil {
		return err
	}
	data, err := pki.NewKeyring(authority).Data()
	if err != nil {
		return err
	}
	maps.DeleteFunc(data, func(_ string, v []byte) bool { return v == nil })
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: CASecret, Labels: meshLabels()},
		Type:       corev1.SecretTypeOpaque,
		Data:       data,
	}
	err = t.client.Create(ctx, secret, client.FieldOwner(FieldManager))
	if apierrors.IsAlreadyExists(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("create Secret %s: %w", CASecret, err)
	}
	t.events.Eventf(secret, nil, corev1.EventTypeNormal, "Created", "Apply", "The mesh has a certificate authority of its own")
	return nil
}

func (t *trust) newAuthority(namespace string) (*pki.Authority, error) {
	return pki.NewAuthorityFor(t.random, t.now(), "brokermesh "+namespace, cmp.Or(t.lives.Authority, pki.AuthorityLifetime))
}

func meshLabels() map[string]string {
	return map[string]string{"app.kubernetes.io/name": "brokermesh", manifest.ManagedByLabel: manifest.ManagedBy}
}

// signedNode names a BrokerNode that has a certificate already. It asks the API server: a wrong answer would split the mesh.
func (t *trust) signedNode(ctx context.Context, namespace string, nodes []v1alpha1.BrokerNode) (string, error) {
	var secrets metav1.PartialObjectMetadataList
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := t.uncached.List(ctx, &secrets, client.InNamespace(namespace), client.HasLabels{manifest.NodeLabel}); err != nil {
		return "", fmt.Errorf("look for certificates: %w", err)
	}
	for i := range nodes {
		for j := range secrets.Items {
			if s := &secrets.Items[j]; ownedBy(s, &nodes[i]) && s.Name == manifest.SecretName(nodes[i].Name) {
				return nodes[i].Name, nil
			}
		}
	}
	return "", nil
}

func (t *trust) known(namespace string) *meshTrust {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.meshes[namespace]
}

func (t *trust) version(namespace string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.versions[namespace]
}

// learn keeps an authority, with a new certificate of the manager's own, which exists in memory only.
func (t *trust) learn(namespace string, m *meshTrust) (*meshTrust, error) {
	next := *m
	var err error
	if next.leaf, err = m.authority.Issue(t.random, t.now(), t.lasting(pki.ManagerRequest(namespace))); err != nil {
		return nil, err
	}
	if next.cert, err = next.leaf.TLS(); err != nil {
		return nil, fmt.Errorf("the manager's certificate: %w", err)
	}
	t.remember(namespace, &next)
	return &next, nil
}

func (t *trust) lasting(r pki.Request) pki.Request {
	r.Lifetime = t.lives.Leaf
	return r
}

// forget drops what is known of a mesh that is no more.
func (t *trust) forget(namespace string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mu.meshes, namespace)
	delete(t.mu.versions, namespace)
	delete(t.mu.kept, namespace)
	delete(t.mu.asked, namespace)
}

// manager gives what the manager shows to the nodes of a mesh; nil as long as the mesh has no authority. The value changes when
// connections should be made anew.
func (t *trust) manager(namespace string) *meshTrust {
	m := t.known(namespace)
	if m == nil || m.roots == nil {
		return nil
	}
	if m.issuer == nil && m.authority.Check(m.leaf, t.now(), pki.ManagerRequest(namespace)) != nil {
		if next, err := t.learn(namespace, m); err == nil {
			return next
		}
	}
	return m
}

// dial is the TLS side of a conversation with a node.
func (m *meshTrust) dial(namespace, node string) *tls.Config {
	return statusapi.ClientTLS(m.cert, m.roots, namespace, node)
}
