// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/gateway"
	"github.com/brokermesh/brokermesh/pkg/ctl"
)

func TestToken(t *testing.T) {
	form := regexp.MustCompile(`^token:       ([A-Z2-7]{26})\ntokenSHA256: ([0-9a-f]{64})\n$`)
	seen := map[string]bool{}
	for range 3 {
		got := call(t, "", "token")
		m := form.FindStringSubmatch(got.out)
		if got.code != ctl.ExitOK || m == nil {
			t.Fatalf("%+v", got)
		}
		if gateway.HashToken(m[1]) != m[2] || seen[m[1]] {
			t.Errorf("token %s, hash %s", m[1], m[2])
		}
		seen[m[1]] = true
	}
	if got := call(t, "", "token", "mine"); got.code != ctl.ExitBadInput {
		t.Errorf("with an argument: %+v", got)
	}
}
