// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"strings"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

func TestParseOptions(t *testing.T) {
	path := data.String("/data/x")
	all := map[string]data.Value{
		"path": path, "synchronous": data.Enum("Broker::SQLITE_SYNCHRONOUS_NORMAL"), "journal_mode": data.Enum("Broker::SQLITE_JOURNAL_MODE_WAL"),
		"failure_mode": data.Enum("Broker::SQLITE_FAILURE_MODE_DELETE"), "integrity_check": data.Boolean(true), "unknown": data.Count(1),
	}
	for _, tt := range []struct {
		given map[string]data.Value
		want  Options
	}{
		{map[string]data.Value{"path": path}, Options{}},
		{all, Options{Synchronous: Normal, JournalMode: WAL, DeleteOnFailure: true, IntegrityCheck: true}},
		{map[string]data.Value{"path": path, "failure_mode": data.Enum("Broker::SQLITE_FAILURE_MODE_FAIL")}, Options{}},
	} {
		if p, o, err := ParseOptions(tt.given); err != nil || p != "/data/x" || o != tt.want {
			t.Errorf("%v: %q, %+v, %v", tt.given, p, o, err)
		}
	}
	for name, wrong := range map[string][]data.Value{
		"path":            {data.Count(1), data.String(""), data.None()},
		"synchronous":     {data.String("Broker::SQLITE_SYNCHRONOUS_FULL"), data.Enum("FULL"), data.Enum("Broker::SQLITE_SYNCHRONOUS_MORE"), data.Enum("Broker::SQLITE_JOURNAL_MODE_WAL")},
		"journal_mode":    {data.Enum("Broker::SQLITE_JOURNAL_MODE_TRUNCATE"), data.Boolean(true)},
		"failure_mode":    {data.Enum("Broker::SQLITE_FAILURE_MODE_"), data.String("DELETE")},
		"integrity_check": {data.Count(1), data.String("T")},
	} {
		for _, v := range wrong {
			given := map[string]data.Value{"path": path}
			given[name] = v
			if _, _, err := ParseOptions(given); err == nil || !strings.HasPrefix(err.Error(), name+" is ") {
				t.Errorf("%s %v: %v", name, v, err)
			}
		}
	}
	if _, _, err := ParseOptions(nil); err == nil || !strings.HasPrefix(err.Error(), "path is missing") {
		t.Errorf("without a path: %v", err)
	}
}
