// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/broker/gateway"
)

func newToken() *cobra.Command {
	return &cobra.Command{
		Use:   "token",
		Short: "Make a token for a WebSocket client, and its hash",
		Long: `Print a fresh random token, which the client gets and nobody else, and its hash, which
is put into the manifest: spec.webSocket.clients[].tokenSHA256 of a BrokerNode. The
token can't be found out from its hash, and is stored nowhere.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			token := rand.Text()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "token:       %s\ntokenSHA256: %s\n", token, gateway.HashToken(token))
			return err
		}),
	}
}
