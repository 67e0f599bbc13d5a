// SPDX-License-Identifier: Apache-2.0

package topology

import "fmt"

// Severity says what a finding means for the mesh. The zero value is Error, so that a finding which says nothing of it is taken seriously.
type Severity int

// The severities, the worst first.
const (
	// Error: something that the objects ask for isn't done. What is at fault is left out.
	Error Severity = iota
	// Warning: all is done, but not what was probably meant, or it will hurt.
	Warning
	// Info: worth knowing; most people would leave it as it is.
	Info
)

var severities = [...]string{Error: "Error", Warning: "Warning", Info: "Info"}

// String is the severity's name.
func (s Severity) String() string {
	if s < 0 || int(s) >= len(severities) {
		return fmt.Sprintf("Severity(%d)", int(s))
	}
	return severities[s]
}

// MarshalText writes the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the severity's name.
func (s *Severity) UnmarshalText(text []byte) error {
	for i, name := range severities {
		if name == string(text) {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("severity %q: allowed: Error, Warning, Info", text)
}

// Failed tells whether one of the findings is an Error.
func Failed(findings []Finding) bool {
	for _, f := range findings {
		if f.Severity == Error {
			return true
		}
	}
	return false
}
