// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
	"github.com/brokermesh/brokermesh/pkg/ctl"
)

// Parse reads a value as it was given on the command line. what names it in the
// error.
func (o Options) Parse(what, text string) (data.Value, error) {
	if o.Text {
		v, err := data.ParseLoose(text)
		if err != nil {
			return v, ctl.BadInput(fmt.Errorf("%s: %w", what, err))
		}
		return v, nil
	}
	v, err := jsonwire.ParseValue([]byte(text))
	if err != nil {
		return v, ctl.BadInput(fmt.Errorf(`%s: %w (JSON is like {"@data-type":"count","data":1}; --text takes plain text)`, what, err))
	}
	return v, nil
}

// Format is a value as it is printed.
func (o Options) Format(v data.Value) string {
	if o.Text {
		return v.String()
	}
	return string(jsonwire.AppendValue(nil, v))
}
