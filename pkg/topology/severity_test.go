// SPDX-License-Identifier: Apache-2.0

package topology

import "testing"

func TestSeverity(t *testing.T) {
	for s, name := range map[Severity]string{Error: "Error", Warning: "Warning", Info: "Info"} {
		text, err := s.MarshalText()
		if err != nil || string(text) != name {
			t.Errorf("%d is written %q, %v", s, text, err)
		}
		var back Severity = 7
		if err := back.UnmarshalText(text); err != nil || back != s {
			t.Errorf("%s is read as %v, %v", name, back, err)
		}
	}
	var s Severity
	if err := s.UnmarshalText([]byte("error")); err == nil || err.Error() != `severity "error": allowed: Error, Warning, Info` {
		t.Errorf("got %v", err)
	}
	if got := Severity(9).String(); got != "Severity(9)" {
		t.Errorf("got %q", got)
	}
	if Failed(nil) || Failed([]Finding{{Severity: Info}, {Severity: Warning}}) || !Failed([]Finding{{Severity: Info}, {}}) {
		t.Error("only an Error fails")
	}
}
