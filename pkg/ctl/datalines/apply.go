// SPDX-License-Identifier: Apache-2.0

package datalines

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// operation is one line of input: what a store holds at one key, and what is
// to be done with it. Values are binary forms in hexadecimal digits.
type operation struct {
	Op      string  `json:"op"`
	Init    string  `json:"init"`
	Present *bool   `json:"present"`
	Current *string `json:"current"`
	Arg     string  `json:"arg"`
}

// changed is the outcome of an operation that may change the store, and of a
// look-up that failed: what the store holds afterwards, null for nothing.
type changed struct {
	Result string  `json:"result"`
	After  *string `json:"after"`
}

// found is the outcome of a look-up.
type found struct {
	Result string `json:"result"`
	Value  string `json:"value"`
}

// Apply reads objects {"op":…,"init":…,"present":…,"current":…,"arg":…} and
// writes what the operation gives: {"result":…,"after":…} for add and
// subtract, {"result":"ok","value":…} for get_index (with after instead of
// value if it fails). A result is ok or the name of an error code. For a line
// that is no operation it writes {"error":…} and goes on; the error at the end
// wraps [ErrBadLine].
func Apply(r io.Reader, w io.Writer) error {
	bad := badLines{}
	err := eachLine(r, w, func(line []byte, out *bufio.Writer) error {
		bad.line++
		result, err := applyLine(line)
		if err != nil {
			bad.note()
			return writeJSON(out, fault{Error: err.Error()})
		}
		return writeJSON(out, result)
	})
	return errors.Join(err, bad.err())
}

func applyLine(line []byte) (any, error) {
	var op operation
	if err := json.Unmarshal(line, &op); err != nil {
		return nil, fmt.Errorf("not an operation: %w", err)
	}
	current, present, err := op.current()
	if err != nil {
		return nil, err
	}
	arg, f := parseHex([]byte(op.Arg))
	if f != nil {
		return nil, fmt.Errorf("arg: %s", f.Error)
	}
	init := data.KindNone
	if op.Init != "" {
		var ok bool
		if init, ok = data.KindFromName(op.Init); !ok {
			return nil, fmt.Errorf("init: no type %q", op.Init)
		}
	}
	var after data.Value
	switch op.Op {
	case "add":
		after, err = backend.Add(current, present, arg, init)
	case "subtract":
		after, err = backend.Subtract(current, present, arg)
	case "get_index":
		value, lookupErr := backend.GetIndex(current, present, arg)
		if lookupErr == nil {
			return found{Result: "ok", Value: hexOf(value)}, nil
		}
		err = lookupErr
	default:
		return nil, fmt.Errorf("op: %q: allowed: add, subtract, get_index", op.Op)
	}
	return outcome(current, present, after, err)
}

// current is what the store holds.
func (op *operation) current() (v data.Value, present bool, err error) {
	present = op.Current != nil
	if op.Present != nil && *op.Present != present {
		return v, false, fmt.Errorf("present is %t, but current says otherwise", *op.Present)
	}
	if !present {
		return v, false, nil
	}
	v, f := parseHex([]byte(*op.Current))
	if f != nil {
		return v, false, fmt.Errorf("current: %s", f.Error)
	}
	return v, true, nil
}

// outcome says what the store holds: the new value, or the old one on an
// error.
func outcome(current data.Value, present bool, after data.Value, err error) (any, error) {
	if err == nil {
		text := hexOf(after)
		return changed{Result: "ok", After: &text}, nil
	}
	var c code.Code
	if !errors.As(err, &c) {
		return nil, err
	}
	if !present {
		return changed{Result: c.String()}, nil
	}
	text := hexOf(current)
	return changed{Result: c.String(), After: &text}, nil
}

func hexOf(v data.Value) string { return hex.EncodeToString(v.AppendBinary(nil)) }
