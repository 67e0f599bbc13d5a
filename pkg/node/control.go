// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// Control is the node as the control port shows it. It implements
// [statusapi.Source].
type Control struct {
	// Node is the node that is asked and told.
	Node *Node
	// Accepted is the file that keeps the last document that was pushed and
	// accepted; empty keeps none.
	Accepted string
}

var _ statusapi.Source = Control{}

// Wait is the node's long poll.
func (c Control) Wait(ctx context.Context, instance string, generation uint64) statusapi.Status {
	return c.Node.Wait(ctx, instance, generation)
}

// Apply parses a document and applies it. What can't even be parsed shows up
// in the node's status like any other document that was refused. An accepted
// document whose file can't be written stays in force; the log says so.
func (c Control) Apply(ctx context.Context, doc []byte) error {
	if err := c.Node.ApplyDocument(ctx, doc); err != nil || c.Accepted == "" {
		return err
	}
	if err := writeFile(c.Accepted, doc); err != nil {
		c.Node.log.Error("keep the accepted config", "error", err)
	}
	return nil
}

// LeaseToken is the node's.
func (c Control) LeaseToken() statusapi.LeaseToken { return c.Node.LeaseToken() }

// Grant gives a lease to a master of the node.
func (c Control) Grant(g statusapi.Grant) error { return c.Node.Grant(g) }

// ApplyDocument is [Node.Apply] for a document that has yet to be parsed.
func (n *Node) ApplyDocument(ctx context.Context, doc []byte) error {
	c, err := nodeconfig.Parse(doc)
	if err != nil {
		n.Refuse(err)
		return err
	}
	return n.Apply(ctx, c)
}

// Refuse puts the reason into the status why the newest document can't be
// used. Nothing else changes.
func (n *Node) Refuse(reason error) {
	n.mu.Lock()
	n.mu.problem = reason.Error()
	n.mu.Unlock()
	n.observe()
}

// StartDocument chooses what a node starts from: the mounted document, or the
// last one that was pushed and accepted if that is newer. A document that
// can't be read doesn't count; if none can, the error says why for both.
func StartDocument(mounted, accepted string) ([]byte, error) {
	first, revision, err := readDocument(mounted)
	if accepted == "" {
		return first, err
	}
	second, newer, acceptedErr := readDocument(accepted)
	switch {
	case acceptedErr != nil && errors.Is(acceptedErr, fs.ErrNotExist):
		return first, err
	case acceptedErr != nil:
		if err != nil {
			return nil, errors.Join(err, acceptedErr)
		}
		return first, nil
	case err != nil || newer > revision:
		return second, nil
	default:
		return first, nil
	}
}

func readDocument(path string) (doc []byte, revision int64, err error) {
	doc, err = os.ReadFile(path)
	if err != nil {
		return nil, 0, fmt.Errorf("read the config: %w", err)
	}
	c, err := nodeconfig.Parse(doc)
	if err != nil {
		return nil, 0, fmt.Errorf("config %s: %w", path, err)
	}
	return doc, c.Revision, nil
}

// Namespace is the mesh that a node belongs to, which its control port has to
// know before there is a config: that of the mounted document, or if that
// can't be read, that of the node's own certificate.
func Namespace(mounted, tlsDir string) (string, error) {
	doc, _, err := readDocument(mounted)
	if err == nil {
		c, err := nodeconfig.Parse(doc)
		return c.Namespace, err
	}
	leaf, certErr := readLeaf(filepath.Join(tlsDir, meshtls.CertFile))
	if certErr != nil {
		return "", errors.Join(err, certErr)
	}
	for _, uri := range leaf.URIs {
		if uri.Scheme == "brokermesh" && uri.Host != "" {
			return uri.Host, nil
		}
	}
	return "", fmt.Errorf("%w; and the certificate names no node", err)
}
