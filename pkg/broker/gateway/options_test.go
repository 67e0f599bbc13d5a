// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker"
)

func TestOptionsAreChecked(t *testing.T) {
	hash := HashToken("x")
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Dialect: "zeek"}, `dialect "zeek": allowed are ["Auto" "Broker" "Zeek"]`},
		{Options{ClientCerts: "Maybe"}, `client certificates "Maybe"`},
		{Options{PingInterval: -1}, "can't be negative"},
		{Options{Limits: Limits{Clients: -1}}, "limit of clients: -1 is negative"},
		{Options{Limits: Limits{Rate: Rate{Bytes: -1}}}, "can't be negative"},
		{Options{Limits: Limits{Rate: Rate{Excess: "Ban"}}}, `excess "Ban"`},
		{Options{Limits: Limits{Queue: broker.QueueLimit{Overflow: broker.OverflowWait}}}, "nobody waits for a client"},
		{Options{Access: Access{Tokens: []Token{{"", hash}}}}, "want a name"},
		{Options{Access: Access{Tokens: []Token{{"a", "1234"}}}}, `token 0 ("a"): want a name, and a SHA-256 of 64 hexadecimal digits`},
		{Options{Access: Access{Origins: []string{"["}}}, `origin "[": want a pattern`},
		{Options{Access: Access{Permissions: []Permission{{}}}}, "permission 0: want either a token's name or a URI"},
		{Options{Access: Access{Permissions: []Permission{{Token: "a", URI: "b"}}}}, "permission 0: want either"},
		{Options{Access: Access{Permissions: []Permission{{Token: "a"}}}}, `permission 0: there is no token "a"`},
		{Options{Access: Access{Permissions: []Permission{{URI: "u"}, {URI: "u"}}}}, `permission 1: there is one for "u" already`},
	} {
		if g, err := New(nil, c.o); err == nil || !strings.Contains(err.Error(), c.want) || g != nil {
			t.Errorf("got %v, want %s", err, c.want)
		}
		if g, err := Listen(nil, "127.0.0.1:0", c.o); err == nil || g != nil {
			t.Error("Listen accepts what New refuses")
		}
	}
	if err := (Options{}).Validate(); err != nil {
		t.Error(err)
	}
	if _, err := New(nil, Options{Dialect: "x", ClientCerts: "y"}); !strings.Contains(err.Error(), "dialect") || !strings.Contains(err.Error(), "certificates") {
		t.Errorf("not everything is told: %v", err)
	}
}
