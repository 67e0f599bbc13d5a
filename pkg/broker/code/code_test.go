// SPDX-License-Identifier: Apache-2.0

package code

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
)

func TestCodesVectors(t *testing.T) {
	file, err := os.ReadFile("testdata/codes.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range bytes.Lines(file) {
		var want struct {
			Kind string
			Code Code
			Name string
		}
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatal(err)
		}
		lines++
		if got := want.Code.String(); want.Kind != "ec" || got != want.Name {
			t.Errorf("code %d is %q, want %q", want.Code, got, want.Name)
		}
		if got, ok := FromName(want.Name); !ok || got != want.Code {
			t.Errorf("FromName(%q) = %d, %t, want %d", want.Name, got, ok, want.Code)
		}
	}
	if lines != 41 {
		t.Errorf("%d lines, want 41", lines)
	}
}

func TestCodeIsAnError(t *testing.T) {
	err := fmt.Errorf("get %q: %w", "k", NoSuchKey)
	if !errors.Is(err, NoSuchKey) || errors.Is(err, TypeClash) {
		t.Errorf("%v: errors.Is finds the wrong code", err)
	}
	var c Code
	if !errors.As(err, &c) || c != NoSuchKey {
		t.Errorf("errors.As found %v", c)
	}
	if InvalidJSON != 41 || Code(200).Error() != "code(200)" {
		t.Errorf("invalid_json is %d, code 200 is %q", InvalidJSON, Code(200))
	}
	if _, ok := FromName("nonsense"); ok {
		t.Error("FromName knows nonsense")
	}
}

func TestStatusNames(t *testing.T) {
	want := []string{"unspecified", "peer_added", "peer_removed", "peer_lost", "endpoint_discovered", "endpoint_unreachable"}
	for i, name := range want {
		if got := Status(i).String(); got != name {
			t.Errorf("status %d is %q, want %q", i, got, name)
		}
		if got, ok := StatusFromName(name); !ok || got != Status(i) {
			t.Errorf("StatusFromName(%q) = %d, %t", name, got, ok)
		}
	}
	if got := Status(9).String(); got != "status(9)" {
		t.Errorf("status 9 is %q", got)
	}
	if _, ok := StatusFromName("peer"); ok {
		t.Error("StatusFromName knows peer")
	}
}
