// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/datalines"
)

func newData() *cobra.Command {
	cmd := newGroup("data", "Read and write values by hand: one on each line of standard input", "")
	cmd.AddCommand(
		newFilter("decode", "Binary values in hexadecimal digits become JSON objects",
			`For each line one JSON object: {"text":…,"json":…}, or {"error":…,"offset":…}
with the index of the byte at fault. json is the value as the WebSocket protocol
writes it, as a string.`, datalines.Decode),
		newFilter("encode", "Values in JSON become binary ones in hexadecimal digits",
			`Values are written as in the WebSocket protocol: {"@data-type":"count","data":1}.
A line that is none gives {"error":…}, and exit code 2 at the end.`, datalines.Encode),
		newFilter("sort", "Binary values in ascending order, each once",
			`Nothing is written, and the exit code is 2, if a line is no value.`, datalines.Sort),
		newFilter("apply", "Operations of stores on single values",
			`A line is {"op":"add","init":"count","current":null,"arg":"02…"}: op is add, subtract
or get_index; current is what the store holds (null: nothing), arg the operand, both
binary in hexadecimal digits; init is the type that add creates when there is nothing.
The answer is {"result":"ok","after":…} ("value" for get_index), or the name of an
error code and what the store still holds.`, datalines.Apply),
	)
	return cmd
}

// newFilter makes a command from standard input to standard output.
func newFilter(use, short, long string, filter func(io.Reader, io.Writer) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Long:  long,
		Args:  cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			err := filter(cmd.InOrStdin(), cmd.OutOrStdout())
			if errors.Is(err, datalines.ErrBadLine) {
				return ctl.BadInput(err)
			}
			return err
		}),
	}
}
