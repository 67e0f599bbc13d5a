// SPDX-License-Identifier: Apache-2.0

package zeek

import "github.com/brokermesh/brokermesh/pkg/broker/data"

// IdentifierUpdate gives a global variable of the receiver's scripts a value.
type IdentifierUpdate struct {
	Name  string
	Value data.Value
}

// Message is the update as a message.
func (u IdentifierUpdate) Message() data.Value {
	return message(TypeIdentifierUpdate, data.String(u.Name), u.Value)
}

// ParseIdentifierUpdate reads the update of a global variable.
func ParseIdentifierUpdate(v data.Value) (IdentifierUpdate, error) {
	r, err := content(v, TypeIdentifierUpdate, 2)
	if err != nil {
		return IdentifierUpdate{}, err
	}
	f := fields{r: r}
	u := IdentifierUpdate{Name: f.text("identifier", data.KindString)}
	if f.err != nil {
		return IdentifierUpdate{}, f.err
	}
	u.Value, _ = f.r.Next()
	return u, nil
}
