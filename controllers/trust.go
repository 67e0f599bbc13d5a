// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
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
	"github.com/brokermesh/brokermesh/pkg/meshtls"
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
		meshes map[string]*meshTrust
		// certified is what the Secrets of nodes hold, by namespace and node.
		certified map[string]map[string]certified
	}
}

// certified is what a node's Secret holds, in the words in which the node's pods report it.
type certified struct{ trustHash, serial string }

// meshTrust is what the manager itself needs to talk to the nodes of a mesh. It is immutable.
type meshTrust struct {
	sum       [sha256.Size]byte // of the authority's Secret
	authority *pki.Authority
	leaf      pki.Leaf
	cert      tls.Certificate
}

// authority gives the mesh's authority, and makes it if the mesh has no certificates yet. nodes are the BrokerNodes that exist.
func (t *trust) authority(ctx context.Context, namespace string, nodes []v1alpha1.BrokerNode) (*pki.Authority, error) {
	secret, err := t.readCA(ctx, namespace)
	if apierrors.IsNotFound(err) {
		secret, err = t.makeCA(ctx, namespace, nodes)
	}
	if err != nil {
		return nil, err
	}
	sum := sumOf(secret.Data)
	if known := t.known(namespace); known != nil && known.sum == sum {
		return known.authority, nil
	}
	ring, err := pki.ParseKeyring(secret.Data)
	if err != nil {
		return nil, &caMissingError{fmt.Sprintf("Secret %s can't sign: %v", CASecret, err)}
	}
	return ring.Authority(), t.learn(namespace, ring.Authority(), sum)
}

func sumOf(data map[string][]byte) [sha256.Size]byte {
	h := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(data)) {
		fmt.Fprintf(h, "%q %q\n", key, data[key])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (t *trust) readCA(ctx context.Context, namespace string) (*corev1.Secret, error) {
	key := client.ObjectKey{Namespace: namespace, Name: CASecret}
	var secret corev1.Secret
	err := t.client.Get(ctx, key, &secret)
	if apierrors.IsNotFound(err) { // not there, not ours, or too new for the cache
		err = t.uncached.Get(ctx, key, &secret)
	}
	return &secret, err
}

// makeCA creates the authority's Secret. Create decides between managers that try at the same time: the loser reads the winner's.
func (t *trust) makeCA(ctx context.Context, namespace string, nodes []v1alpha1.BrokerNode) (*corev1.Secret, error) {
	if name, err := t.signedNode(ctx, namespace, nodes); err != nil {
		return nil, err
	} else if name != "" {
		return nil, &caMissingError{fmt.Sprintf("Secret %s is missing, but Secret %s was signed by it; restore it, or remove the certificates of all nodes to start anew",
			CASecret, manifest.SecretName(name))}
	}
	authority, err := t.newAuthority(namespace)
	if err != nil {
		return nil, err
	}
	data, err := pki.NewKeyring(authority).Data()
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: CASecret, Labels: meshLabels()},
		Type:       corev1.SecretTypeOpaque,
		Data:       data,
	}
	maps.DeleteFunc(secret.Data, func(_ string, v []byte) bool { return v == nil })
	err = t.client.Create(ctx, secret, client.FieldOwner(FieldManager))
	if apierrors.IsAlreadyExists(err) {
		err = t.uncached.Get(ctx, client.ObjectKeyFromObject(secret), secret)
	}
	if err != nil {
		return nil, fmt.Errorf("create Secret %s: %w", CASecret, err)
	}
	t.events.Eventf(secret, nil, corev1.EventTypeNormal, "Created", "Apply", "The mesh has a certificate authority of its own")
	return secret, nil
}

func (t *trust) newAuthority(namespace string) (*pki.Authority, error) {
	return pki.NewAuthorityFor(t.random, t.now(), "brokermesh "+namespace, cmp.Or(t.lives.Authority, pki.AuthorityLifetime))
}

func meshLabels() map[string]string {
	return map[string]string{"app.kubernetes.io/name": "brokermesh", manifest.ManagedByLabel: manifest.ManagedBy}
}

// signedNode names a BrokerNode that has a certificate already. It asks the API server: a wrong answer would split the mesh.
func (t *trust) signedNode(ctx context.Context, namespace string, nodes []v1alpha1.BrokerNode) (string, error) {
	var secrets corev1.SecretList
	if err := t.uncached.List(ctx, &secrets, client.InNamespace(namespace), client.HasLabels{manifest.NodeLabel}); err != nil {
		return "", fmt.Errorf("look for certificates: %w", err)
	}
	for i := range nodes {
		for j := range secrets.Items {
			if s := &secrets.Items[j]; ownedBy(s, &nodes[i]) && len(s.Data[manifest.CertKey]) > 0 {
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

// learn issues the manager's own certificate for a mesh, which exists in memory only.
func (t *trust) learn(namespace string, authority *pki.Authority, sum [sha256.Size]byte) error {
	leaf, err := authority.Issue(t.random, t.now(), t.lasting(pki.ManagerRequest(namespace)))
	if err != nil {
		return err
	}
	cert, err := leaf.TLS()
	if err != nil {
		return fmt.Errorf("the manager's certificate: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.meshes == nil {
		t.mu.meshes = make(map[string]*meshTrust)
	}
	t.mu.meshes[namespace] = &meshTrust{sum: sum, authority: authority, leaf: leaf, cert: cert}
	return nil
}

func (t *trust) lasting(r pki.Request) pki.Request {
	r.Lifetime = t.lives.Leaf
	return r
}

// certify remembers what a node's Secret holds.
func (t *trust) certify(namespace, node string, c manifest.Certificates) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.certified == nil {
		t.mu.certified = make(map[string]map[string]certified)
	}
	if t.mu.certified[namespace] == nil {
		t.mu.certified[namespace] = make(map[string]certified)
	}
	t.mu.certified[namespace][node] = certified{trustHash: meshtls.Hash(c.CA), serial: pki.Leaf{Cert: c.Cert}.Serial()}
}

// certificates are what the Secrets of a mesh's nodes hold, as far as this manager has seen to them.
func (t *trust) certificates(namespace string) map[string]certified {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.mu.certified[namespace])
}

// forget drops what is known of a mesh that is no more.
func (t *trust) forget(namespace string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mu.meshes, namespace)
	delete(t.mu.certified, namespace)
}

// manager gives what the manager shows to the nodes of a mesh; nil as long as the mesh has no authority. The value changes when
// connections should be made anew.
func (t *trust) manager(namespace string) *meshTrust {
	m := t.known(namespace)
	if m == nil {
		return nil
	}
	if m.authority.Check(m.leaf, t.now(), pki.ManagerRequest(namespace)) != nil && t.learn(namespace, m.authority, m.sum) == nil {
		m = t.known(namespace)
	}
	return m
}

// dial is the TLS side of a conversation with a node.
func (m *meshTrust) dial(namespace, node string) *tls.Config {
	return statusapi.ClientTLS(m.cert, m.authority.Pool(), namespace, node)
}

// node gives a node's certificates: those in its Secret (nil if it has none) as long as they are good, else new ones. renewal is
// when to look again.
func (t *trust) node(a *pki.Authority, node *v1alpha1.BrokerNode, live *corev1.Secret) (c manifest.Certificates, renewal time.Time, err error) {
	leaf, err := t.keep(a, live, pki.NodeRequest(node.Namespace, node.Name))
	if err != nil {
		return manifest.Certificates{}, time.Time{}, err
	}
	return manifest.Certificates{CA: a.CertPEM(), Cert: leaf.Cert, Key: leaf.Key}, a.RenewAt(leaf), nil
}

func (t *trust) keep(a *pki.Authority, live *corev1.Secret, r pki.Request) (pki.Leaf, error) {
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
	var live corev1.Secret
	err := t.client.Get(ctx, key, &live)
	if apierrors.IsNotFound(err) {
		err = t.uncached.Get(ctx, key, &live)
	}
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return err
	}
	if !missing && live.Labels[manifest.ManagedByLabel] != manifest.ManagedBy {
		return nil
	}
	leaf, err := t.keep(a, &live, pki.ClientRequest(namespace))
	if err != nil {
		return err
	}
	data := map[string][]byte{manifest.CAKey: a.CertPEM(), manifest.CertKey: leaf.Cert, manifest.KeyKey: leaf.Key}
	if missing {
		return t.create(ctx, key, data)
	}
	if sameData(live.Data, data) {
		return nil
	}
	live.Data = data
	return t.client.Update(ctx, &live, client.FieldOwner(FieldManager))
}

func (t *trust) create(ctx context.Context, key client.ObjectKey, data map[string][]byte) error {
	return client.IgnoreAlreadyExists(t.client.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: meshLabels()},
		Type:       corev1.SecretTypeTLS, Data: data,
	}, client.FieldOwner(FieldManager)))
}

func sameData(live, desired map[string][]byte) bool {
	for key, value := range desired {
		if string(live[key]) != string(value) {
			return false
		}
	}
	return true
}
