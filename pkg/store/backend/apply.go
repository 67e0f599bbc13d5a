// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"slices"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// Add is the value of a key after an operand was added to it: numbers are summed (wrapping), times moved, strings and vectors
// extended, sets and tables inserted into. A key that is not present starts from the zero value of init. Errors are codes: TypeClash,
// InvalidData.
func Add(current data.Value, present bool, operand data.Value, init data.Kind) (data.Value, error) {
	if !present {
		zero, ok := Zero(init)
		if !ok {
			return data.Value{}, code.TypeClash
		}
		current = zero
	}
	if v, ok := arithmetic(current, operand, false); ok {
		return v, nil
	}
	switch current.Kind() {
	case data.KindString:
		return addString(current, operand)
	case data.KindVector:
		return checkDepth(data.Vector(append(slices.Collect(current.Elements()), operand)...))
	case data.KindSet:
		if current.Contains(operand) {
			return current, nil
		}
		return checkDepth(data.Set(append(slices.Collect(current.Elements()), operand)...))
	case data.KindTable:
		return addEntry(current, operand)
	default:
		return data.Value{}, code.TypeClash
	}
}

// Subtract is the value of a key after an operand was taken from it: numbers and times are reduced (wrapping), elements and keys
// removed, vectors lose their last element whatever the operand. Errors are codes: NoSuchKey, TypeClash.
func Subtract(current data.Value, present bool, operand data.Value) (data.Value, error) {
	if !present {
		return data.Value{}, code.NoSuchKey
	}
	if v, ok := arithmetic(current, operand, true); ok {
		return v, nil
	}
	switch current.Kind() {
	case data.KindVector:
		elements := slices.Collect(current.Elements())
		return data.Vector(elements[:max(len(elements), 1)-1]...), nil
	case data.KindSet:
		if !current.Contains(operand) {
			return current, nil
		}
		return data.Set(slices.DeleteFunc(slices.Collect(current.Elements()), func(v data.Value) bool {
			return data.Equal(v, operand)
		})...), nil
	case data.KindTable:
		if !current.Contains(operand) {
			return current, nil
		}
		return data.Table(slices.DeleteFunc(entriesOf(current), func(e data.Entry) bool {
			return data.Equal(e.Key, operand)
		})...), nil
	default:
		return data.Value{}, code.TypeClash
	}
}

// GetIndex looks into a value: the element of a vector, the entry of a table, whether a set has an element; any other value is
// answered itself. Errors are codes: NoSuchKey, TypeClash.
func GetIndex(current data.Value, present bool, index data.Value) (data.Value, error) {
	if !present {
		return data.Value{}, code.NoSuchKey
	}
	switch current.Kind() {
	case data.KindVector:
		return element(current, index)
	case data.KindSet:
		return data.Boolean(current.Contains(index)), nil
	case data.KindTable:
		if v, ok := current.Lookup(index); ok {
			return v, nil
		}
		return data.Value{}, code.NoSuchKey
	default:
		return current, nil
	}
}

// Zero is the value that Add starts from; there is none for none.
func Zero(kind data.Kind) (data.Value, bool) {
	switch kind {
	case data.KindCount:
		return data.Count(0), true
	case data.KindInteger:
		return data.Integer(0), true
	case data.KindReal:
		return data.Real(0), true
	case data.KindString:
		return data.String(""), true
	case data.KindTimestamp:
		return data.TimestampNanos(0), true
	case data.KindTimespan:
		return data.Timespan(0), true
	case data.KindSet:
		return data.Set(), true
	case data.KindTable:
		return data.Table(), true
	case data.KindVector:
		return data.Vector(), true
	default: // the others exist, but nothing can be added to them
		return data.Value{}, false
	}
}

// InitFor is the kind that increment creates for an amount, by its kind.
func InitFor(amount data.Kind) data.Kind {
	switch amount {
	case data.KindCount, data.KindInteger, data.KindReal:
		return amount
	case data.KindTimespan:
		return data.KindTimestamp
	default:
		return data.KindNone
	}
}

func addString(current, operand data.Value) (data.Value, error) {
	a, _ := current.AsString()
	b, ok := operand.AsString()
	if !ok {
		return data.Value{}, code.TypeClash
	}
	return data.String(a + b), nil
}

func addEntry(current, operand data.Value) (data.Value, error) {
	if operand.Kind() != data.KindVector {
		return data.Value{}, code.TypeClash
	}
	if operand.Len() != 2 {
		return data.Value{}, code.InvalidData
	}
	key, _ := operand.Index(0)
	value, _ := operand.Index(1)
	return checkDepth(data.Table(append(entriesOf(current), data.Entry{Key: key, Value: value})...))
}

func entriesOf(table data.Value) []data.Entry {
	entries := make([]data.Entry, 0, table.Len()+1)
	for k, v := range table.Entries() {
		entries = append(entries, data.Entry{Key: k, Value: v})
	}
	return entries
}

func element(vector, index data.Value) (data.Value, error) {
	i, ok := index.AsCount()
	if !ok {
		n, ok := index.AsInteger()
		if !ok || n < 0 {
			return data.Value{}, code.TypeClash
		}
		i = uint64(n)
	}
	if i >= uint64(vector.Len()) {
		return data.Value{}, code.NoSuchKey
	}
	v, _ := vector.Index(int(i))
	return v, nil
}

// checkDepth refuses values that no decoder would take.
func checkDepth(v data.Value) (data.Value, error) {
	if v.TooDeep() {
		return data.Value{}, code.InvalidData
	}
	return v, nil
}
