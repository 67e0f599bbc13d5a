// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestUsage(t *testing.T) {
	for name, c := range map[string]struct {
		image string // $NODE_IMAGE
		args  []string
		code  int
		says  string
	}{
		"help":           {"x", []string{"-h"}, 0, "node-image"},
		"unknown flag":   {"x", []string{"--nonsense"}, 2, "nonsense"},
		"argument":       {"x", []string{"up"}, 2, "up"},
		"no image":       {"", nil, 2, "NODE_IMAGE"},
		"short life":     {"x", []string{"--authority-lifetime=5m"}, 2, "20m"},
		"no duration":    {"x", []string{"--certificate-lifetime=long"}, 2, "long"},
		"empty name":     {"x", []string{"--namespaces=a,"}, 2, "empty"},
		"no such config": {"x", []string{"--kubeconfig=/nonexistent"}, 1, "no cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NODE_IMAGE", c.image)
			var out bytes.Buffer
			if code := run(t.Context(), c.args, &out); code != c.code || !strings.Contains(out.String(), c.says) {
				t.Errorf("exit code %d, want %d; says:\n%s", code, c.code, &out)
			}
		})
	}
}
