// SPDX-License-Identifier: Apache-2.0

// Command tls connects to an endpoint that protects its connections:
//
//	go run ./examples/tls -peer 127.0.0.1:9999 -cert tls.crt -key tls.key -ca ca.crt
//	go run ./examples/tls -peer 127.0.0.1:9999
//
// Without files it is anonymous TLS, as Zeek does it: encrypted, but either end
// talks to whoever is there.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

func main() {
	peer := flag.String("peer", "127.0.0.1:9999", "an endpoint")
	cert := flag.String("cert", "", "file with the own certificate")
	key := flag.String("key", "", "file with its private key")
	ca := flag.String("ca", "", "file with the CAs to trust")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *peer, protection(*cert, *key, *ca), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// protection is TLS with certificates if there are any. The files are read
// again when they have changed, and connections that stand stay up.
func protection(cert, key, ca string) *peering.TLS {
	if cert == "" {
		return &peering.TLS{Anonymous: true}
	}
	return &peering.TLS{CertFile: cert, KeyFile: key, CAFile: ca}
}

func run(ctx context.Context, address string, protect *peering.TLS, out io.Writer) error {
	e, err := broker.New(broker.Options{TLS: protect, Forward: broker.ForwardNone})
	if err != nil {
		return err
	}
	defer e.Close(ctx)
	if _, err := e.Peer(ctx, address, broker.PeerOptions{}); err != nil {
		return err
	}
	for _, p := range e.Peers() {
		fmt.Fprintf(out, "%s, peer %q\n", p.Security, p.URI)
	}
	return nil
}
