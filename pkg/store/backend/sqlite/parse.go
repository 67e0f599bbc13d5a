// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// ParseOptions reads options as the reference's attach_master takes them (spec/stores.md 7.4). Options that it doesn't know are ignored. An error
// names the field that is missing, or has a wrong type or value.
func ParseOptions(options map[string]data.Value) (path string, o Options, err error) {
	v, ok := options["path"]
	if !ok {
		return "", Options{}, errors.New("path is missing: it is required")
	}
	if path, ok = v.AsString(); !ok || path == "" {
		return "", Options{}, fmt.Errorf("path is %v of type %v: allowed: a string that is not empty", v, v.Kind())
	}
	var synchronous, journal, failure string
	for _, e := range []struct {
		into    *string
		name    string
		prefix  string
		allowed []string
	}{
		{&synchronous, "synchronous", "Broker::SQLITE_SYNCHRONOUS_", []string{"OFF", "NORMAL", "FULL", "EXTRA"}},
		{&journal, "journal_mode", "Broker::SQLITE_JOURNAL_MODE_", []string{"DELETE", "WAL"}},
		{&failure, "failure_mode", "Broker::SQLITE_FAILURE_MODE_", []string{"DELETE", "FAIL"}},
	} {
		if *e.into, err = choice(options, e.name, e.prefix, e.allowed); err != nil {
			return "", Options{}, err
		}
	}
	if v, ok := options["integrity_check"]; ok {
		if o.IntegrityCheck, ok = v.AsBoolean(); !ok {
			return "", Options{}, fmt.Errorf("integrity_check is %v of type %v: allowed: a boolean", v, v.Kind())
		}
	}
	o.Synchronous = map[string]Synchronous{"OFF": Off, "NORMAL": Normal, "FULL": Full, "EXTRA": Extra}[synchronous]
	o.JournalMode = map[string]JournalMode{"DELETE": Delete, "WAL": WAL}[journal]
	o.DeleteOnFailure = failure == "DELETE"
	return path, o, nil
}

// choice is what follows the prefix in the name of an enum, "" where the option isn't given.
func choice(options map[string]data.Value, name, prefix string, allowed []string) (string, error) {
	v, ok := options[name]
	if !ok {
		return "", nil
	}
	text, ok := v.AsEnum()
	if given, found := strings.CutPrefix(text, prefix); ok && found && slices.Contains(allowed, given) {
		return given, nil
	}
	return "", fmt.Errorf("%s is %v of type %v: allowed: the enums %s%s", name, v, v.Kind(), prefix, strings.Join(allowed, ", "+prefix))
}
