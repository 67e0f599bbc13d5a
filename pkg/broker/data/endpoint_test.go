// SPDX-License-Identifier: Apache-2.0

package data

import (
	"encoding/json"
	"strings"
	"testing"
)

const someUUID = "21ba71c1-97c9-537c-9786-8eb64d181185"

func TestEndpointID(t *testing.T) {
	id, err := ParseEndpointID(strings.ToUpper(someUUID))
	if err != nil || id.String() != someUUID || id.IsZero() {
		t.Errorf("got %s, %v", id, err)
	}
	for _, s := range []string{"", someUUID[1:], someUUID + " ", strings.Replace(someUUID, "-", "0", 1), strings.Replace(someUUID, "2", "g", 1), strings.ReplaceAll(someUUID, "-", "")} {
		if id, err := ParseEndpointID(s); err == nil || !id.IsZero() {
			t.Errorf("%q: got %s, want an error", s, id)
		}
	}
	a, b := NewEndpointID(), NewEndpointID()
	if a == b || a[6]>>4 != 4 || a[8]>>6 != 2 || a.Compare(b) != -b.Compare(a) || a.Compare(a) != 0 {
		t.Errorf("new IDs %s and %s", a, b)
	}
	text, err := json.Marshal(map[string]EndpointID{"id": a})
	mustBe(t, err)
	var back map[string]EndpointID
	if err := json.Unmarshal(text, &back); err != nil || back["id"] != a {
		t.Errorf("%s: got %v, %v", text, back, err)
	}
	if err := json.Unmarshal([]byte(`{"id":"x"}`), &back); err == nil {
		t.Error("x is read as an endpoint ID")
	}
}

func TestEntityID(t *testing.T) {
	var none EntityID
	if none.String() != "none" || !none.IsZero() {
		t.Errorf("zero ID: %s", none)
	}
	endpoint, err := ParseEndpointID(someUUID)
	mustBe(t, err)
	id := EntityID{Endpoint: endpoint, Object: 6}
	if id.String() != "6@"+someUUID || id.IsZero() {
		t.Errorf("got %s", id)
	}
	raw := id.AppendBinary(nil)
	if got, err := DecodeEntityID(append(raw, 9)); err != nil || got != id || len(raw) != 24 {
		t.Errorf("%x: got %s, %v", raw, got, err)
	}
	for n := range raw {
		if _, err := DecodeEntityID(raw[:n]); err == nil {
			t.Errorf("%d bytes are read as an entity ID", n)
		}
	}
}
