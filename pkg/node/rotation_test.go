// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
	"github.com/brokermesh/brokermesh/pkg/pki"
	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// accepted says whether a server with certificates of its folder takes a client with those of its own, and the client the server.
func accepted(t *testing.T, address string, client pki.Leaf, trusts *pki.Authority) error {
	t.Helper()
	cert, err := client.TLS()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	c := tls.Client(raw, &tls.Config{
		Certificates: []tls.Certificate{cert}, InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error { return meshtls.VerifyServer(s, trusts.Pool()) },
	})
	defer c.Close()
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	// A server that refuses the client says so after the client's handshake. One that takes it waits for words, or says its own.
	if err := c.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		return err
	}
	if _, err = c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// TestAuthorityRotation takes a node through the steps of a rotation. All its ports take who is one step ahead or behind, it reaches such
// nodes itself, and a connection that stands goes on through all of it.
func TestAuthorityRotation(t *testing.T) {
	rings := []pki.Keyring{pki.NewKeyring(authority(t))}
	rings = append(rings, rings[0].Begin(authority(t)))
	rings = append(rings, rings[1].Advance(), rings[1].Advance().Advance())
	leafAt := func(step int, r pki.Request) pki.Leaf { return issue(t, rings[step].Authority(), r) }
	dirs := make(map[string]string)
	start := func(name string, port int) *Node {
		dirs[name] = t.TempDir()
		folder(t, dirs[name], rings[0].Authority(), leafAt(0, pki.NodeRequest("default", name)))
		n := New(Options{TLSDir: dirs[name], ListenHost: "127.0.0.1", EphemeralPorts: true})
		t.Cleanup(func() { closeNode(t, n) })
		c := config(name)
		c.TLS, c.WebSocketPort = nodeconfig.TLSMesh, port
		apply(t, n, c)
		return n
	}
	a, b, other := start("a", 9997), start("b", 0), start("other", 0)
	dial := func(n *Node, name string, to ...nodeconfig.Peer) {
		c := config(name)
		c.TLS, c.Peers = nodeconfig.TLSMesh, to
		apply(t, n, c)
	}
	link := nodeconfig.Peer{Name: "link", Address: port(t, a, "broker"), Node: "a", Pod: "a-0"}
	dial(other, "other", link)
	stands := await(t, other, "peered", peered).Peers[0].Since

	control, err := statusapi.ServerTLS(dirs["a"], "default")
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", control)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	defer func() {
		l.Close()
		<-ended
	}()
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).HandshakeContext(t.Context())
			c.Close()
		}
	}()
	addresses := map[string]string{"broker": link.Address, "websocket": port(t, a, "websocket"), "control": l.Addr().String()}
	for step := range rings {
		folder(t, dirs["a"], rings[step].Authority(), leafAt(step, pki.NodeRequest("default", "a")))
		for other := max(0, step-1); other <= min(step+1, len(rings)-1); other++ {
			for name, address := range addresses {
				request := pki.ClientRequest("default")
				if name == "control" {
					request = pki.ManagerRequest("default")
				}
				if err := accepted(t, address, leafAt(other, request), rings[other].Authority()); err != nil {
					t.Errorf("port %s in step %d, client in step %d: %v", name, step, other, err)
				}
			}
			folder(t, dirs["b"], rings[other].Authority(), leafAt(other, pki.NodeRequest("default", "b")))
			dial(b, "b", link)
			await(t, b, "peered", peered)
			dial(b, "b")
			await(t, b, "unpeered", func(s statusapi.Status) bool { return len(s.Peers) == 0 })
		}
	}
	if err := accepted(t, addresses["broker"], leafAt(0, pki.ClientRequest("default")), rings[3].Authority()); err == nil {
		t.Error("at the end, a certificate of the old authority is taken")
	}
	if s := other.Status(); len(s.Peers) != 1 || !peered(s) || !s.Peers[0].Since.Equal(stands) {
		t.Errorf("the connection that stood from the beginning: %+v", s.Peers)
	}
}
