// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"errors"
	"fmt"
	"testing"
)

func TestCode(t *testing.T) {
	cause := errors.New("cause")
	for name, tc := range map[string]struct {
		err  error
		want int
	}{
		"none":      {nil, ExitOK},
		"any":       {cause, ExitFailure},
		"bad input": {BadInput(cause), ExitBadInput},
		"wrapped":   {fmt.Errorf("act: %w", TimedOut(cause)), ExitTimeout},
		"joined":    {errors.Join(cause, TimedOut(cause)), ExitTimeout},
		"said":      {BadInput(nil), ExitBadInput},
	} {
		if got := Code(tc.err); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
	if err := BadInput(cause); !errors.Is(err, cause) || err.Error() != "cause" || BadInput(nil).Error() != "" {
		t.Errorf("text %q", err)
	}
}
