// SPDX-License-Identifier: Apache-2.0

package nodeconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxSize is the largest document in bytes that is read.
const MaxSize = 1 << 20

// Parse reads a document. It refuses what it doesn't know: another version, fields of other names (case matters), fields
// that stand there twice, values outside their limits. The error is a [*ParseError] or [Problems].
func Parse(b []byte) (Config, error) {
	if len(b) > MaxSize {
		return Config{}, &ParseError{Msg: fmt.Sprintf("the document has %d bytes, allowed: at most %d", len(b), MaxSize)}
	}
	if !utf8.Valid(b) {
		return Config{}, &ParseError{Msg: "found bytes that are not UTF-8, allowed: JSON"}
	}
	if err := checkVersion(b); err != nil {
		return Config{}, err
	}
	var c Config
	if err := json.Unmarshal(b, &c); err != nil {
		return Config{}, parseError(err)
	}
	if err := checkKeys(b); err != nil {
		return Config{}, err
	}
	if err := c.Validate(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// ParseError is bytes that are no document of this version. Problems of its values are [Problems].
type ParseError struct {
	// Field is the path of the field at fault; empty if it is the document as a whole.
	Field string
	// Msg says what was found and what is allowed.
	Msg string
}

// Error is "FIELD: what was found, what is allowed".
func (e *ParseError) Error() string {
	if e.Field == "" {
		return e.Msg
	}
	return e.Field + ": " + e.Msg
}

// checkVersion looks at the version before everything else: what a later version holds is not this one's to judge.
func checkVersion(b []byte) error {
	var v struct {
		Version *int `json:"version"`
	}
	err := json.Unmarshal(b, &v)
	switch {
	case err != nil:
		return parseError(err)
	case v.Version == nil:
		return &ParseError{Field: "version", Msg: fmt.Sprintf("not set, allowed: %d", Version)}
	case *v.Version != Version:
		return &ParseError{Field: "version", Msg: fmt.Sprintf("found %d, allowed: %d", *v.Version, Version)}
	}
	return nil
}

// parseError puts what encoding/json found into the words of this package.
func parseError(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field == "":
		return &ParseError{Msg: fmt.Sprintf("found %s, allowed: an object", kind.Value)}
	case errors.As(err, &kind):
		return &ParseError{Field: kind.Field, Msg: fmt.Sprintf("found %s, allowed: %s", clip(kind.Value), kindName(kind))}
	case errors.As(err, &syntax):
		return &ParseError{Msg: fmt.Sprintf("no JSON at byte %d: %s", syntax.Offset, syntax.Error())}
	default:
		return &ParseError{Msg: "no JSON: " + err.Error()}
	}
}

func kindName(e *json.UnmarshalTypeError) string {
	switch e.Type.Kind().String() {
	case "string":
		return "a string"
	case "slice":
		return "a list"
	case "struct":
		return "an object"
	case "float64":
		return "a number"
	default:
		return "a whole number"
	}
}

// checkKeys refuses field names that are unknown or stand there twice; encoding/json would take names in any case, and the
// last of several. The bytes are known to be JSON.
func checkKeys(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	w := keyWalk{d: d}
	return w.value("", configKeys)
}

// keys are the fields of an object, and what stands below those that hold objects.
type keys struct {
	names []string
	below map[string]keys
}

var peerQueueKeys = keys{names: []string{"peerMessages", "peerBytes", "peerOverflow"}}

var configKeys = keys{
	names: []string{"version", "revision", "namespace", "node", "pod", "listenPort", "webSocketPort", "tls",
		"webSocket", "forward", "logLevel", "queues", "subscriptions", "peers", "accept", "stores"},
	below: map[string]keys{
		"webSocket": {
			names: []string{"dialect", "allowedOrigins", "clientCertificates", "clients", "others", "limits"},
			below: map[string]keys{
				"clients": {names: []string{"name", "tokenSHA256", "certificate", "publish", "subscribe"}},
				"others":  {names: []string{"publish", "subscribe"}},
				"limits": {names: []string{"messageBytes", "subscriptions", "connections", "connectionsPerAddress", "messagesPerSecond", "bytesPerSecond",
					"queueMessages", "overflow"}},
			},
		},
		"queues": {names: []string{"peerMessages", "peerBytes", "peerOverflow", "subscriberMessages", "subscriberBytes", "memoryLimitBytes", "flowControl"}},
		"peers": {
			names: []string{"name", "address", "node", "pod", "retrySeconds", "tls", "queues"},
			below: map[string]keys{"queues": peerQueueKeys},
		},
		"accept": {names: []string{"name", "node", "subject", "source", "queues"}, below: map[string]keys{"queues": peerQueueKeys}},
		"stores": {names: []string{"object", "storeName", "role", "backend", "synchronous", "journalMode", "integrityCheck", "failureMode",
			"memoryBytes", "cacheBytes", "entryBytes", "historyBytes", "epoch", "promote", "strandForeignClones", "leaseSeconds",
			"expirySeconds", "staleAfterSeconds", "staleReads", "writeQueueBytes", "restoreClaim", "restoreStore", "restoreFile", "remove",
			"backupSchedule", "backupKeep", "backupClaim"}},
	},
}

type keyWalk struct{ d *json.Decoder }

// value walks over one value.
func (w *keyWalk) value(path string, k keys) error {
	t, err := w.d.Token()
	if err != nil {
		return keyError(err)
	}
	switch t {
	case json.Delim('{'):
		return w.object(path, k)
	case json.Delim('['):
		for i := 0; w.d.More(); i++ {
			if err := w.value(fmt.Sprintf("%s[%d]", path, i), k); err != nil {
				return err
			}
		}
		_, err := w.d.Token()
		return keyError(err)
	}
	return nil
}

func (w *keyWalk) object(path string, k keys) error {
	seen := make(map[string]bool, len(k.names))
	for w.d.More() {
		t, err := w.d.Token()
		if err != nil {
			return keyError(err)
		}
		name, _ := t.(string)
		field := strings.TrimPrefix(path+"."+name, ".")
		switch {
		case !slices.Contains(k.names, name):
			return &ParseError{Field: clip(field), Msg: "unknown field, allowed: " + strings.Join(k.names, ", ")}
		case seen[name]:
			return &ParseError{Field: field, Msg: "found twice, allowed: once"}
		}
		seen[name] = true
		if err := w.value(field, k.below[name]); err != nil {
			return err
		}
	}
	_, err := w.d.Token()
	return keyError(err)
}

func keyError(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	return parseError(err)
}
