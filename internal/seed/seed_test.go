// SPDX-License-Identifier: Apache-2.0

package seed

import "testing"

func TestChoose(t *testing.T) {
	a, _ := choose("", "TestA")
	again, _ := choose("", "TestA")
	b, _ := choose("", "TestB")
	if a != again || a == b {
		t.Errorf("fixed seeds %d, %d, %d", a, again, b)
	}
	if n, err := choose("17", "TestA"); n != 17 || err != nil {
		t.Errorf("replay: %d, %v", n, err)
	}
	x, _ := choose("random", "TestA")
	y, _ := choose("random", "TestA")
	if x == y {
		t.Errorf("twice %d", x)
	}
	if _, err := choose("seventeen", "TestA"); err == nil {
		t.Error("a word is no seed")
	}
}

func TestSeveral(t *testing.T) {
	t.Setenv("SEED", "")
	if s := Several(t, 3); len(s) != 3 || s[1] != s[0]+1 || s[2] != s[0]+2 {
		t.Errorf("fixed: %v", s)
	}
	t.Setenv("SEED", "9")
	if s := Several(t, 3); len(s) != 1 || s[0] != 9 {
		t.Errorf("replay: %v", s)
	}
}
