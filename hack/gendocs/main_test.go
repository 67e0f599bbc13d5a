// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/evidence"
)

// TestPageIsUpToDate compares the page in docs with what the constants say now.
func TestPageIsUpToDate(t *testing.T) {
	out := filepath.Join(t.TempDir(), "conditions.md")
	if err := run("../../api/v1alpha1/conditions.go", out); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../../docs/conditions.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/conditions.md is out of date: go run ./hack/gendocs")
	}
}

// TestLintPageIsUpToDate compares the page about findings with the table.
func TestLintPageIsUpToDate(t *testing.T) {
	out := filepath.Join(t.TempDir(), "lint.md")
	if err := runLint(out); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../../docs/lint.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/lint.md is out of date: go run ./hack/gendocs")
	}
}

func TestWhatIsMissing(t *testing.T) {
	tests := map[string]struct {
		source     string
		conditions []evidence.ConditionReasons
		want       string
	}{
		"no comment":  {"const ReasonX = \"X\"", nil, "ReasonX has no comment"},
		"no string":   {"// ReasonX: x.\nconst ReasonX = 3", nil, "ReasonX is not a string"},
		"unused":      {"const (\n// ReasonX: x.\nReasonX = \"X\"\n)", nil, "no condition ever has the reason X"},
		"no type":     {"", []evidence.ConditionReasons{{Kind: "K", Type: "T"}}, "condition T has no constant"},
		"no constant": {"const (\n// ConditionT says.\nConditionT = \"T\"\n)", []evidence.ConditionReasons{{Kind: "K", Type: "T", Reasons: []v1alpha1.Reason{"Y"}}}, "reason Y has no constant"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.go")
			if err := os.WriteFile(file, []byte("package x\n"+test.source+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			meanings, err := readMeanings(file)
			if err == nil {
				err = writePage(new(bytes.Buffer), meanings, test.conditions)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
