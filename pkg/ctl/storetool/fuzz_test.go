// SPDX-License-Identifier: Apache-2.0

package storetool

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/export"
)

// FuzzLine: whatever is read as an entry is written so that it is read again.
func FuzzLine(f *testing.F) {
	for _, e := range []backend.Entry{
		{Key: data.None(), Value: data.Set(data.Count(1), data.String("x\xff")), Deadline: backend.Never},
		{Key: data.Vector(data.Real(-0.5)), Value: data.Boolean(true), Deadline: 1_700_000_000_123_456_789},
	} {
		text, err := json.Marshal(export.LineOf(e))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"brokermeshStore":1,"store":"s"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, header, err := export.Parse(text)
		if err != nil || header {
			return
		}
		again, err := json.Marshal(export.LineOf(e))
		if err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
		e2, header, err := export.Parse(again)
		if err != nil || header || e2.Deadline != e.Deadline ||
			!bytes.Equal(e2.Key.AppendBinary(nil), e.Key.AppendBinary(nil)) || !bytes.Equal(e2.Value.AppendBinary(nil), e.Value.AppendBinary(nil)) {
			t.Fatalf("%s became %s: %+v, %v", text, again, e2, err)
		}
	})
}
