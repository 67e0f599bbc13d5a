// SPDX-License-Identifier: Apache-2.0

// Command values shows how Go values become Broker values and back, and the
// forms that a value has.
package main

import (
	"fmt"
	"io"
	"log"
	"net/netip"
	"os"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
)

func main() {
	if err := run(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// Connection is a record: a vector of its fields in their order.
type Connection struct {
	Start    time.Time
	Host     netip.Addr
	Port     data.PortNumber
	State    string        `broker:"state,enum"`
	Service  string        `broker:"service,omitempty"` // &optional in Zeek
	Duration time.Duration `broker:"duration,omitempty"`
	Tags     []string      `broker:"tags,set"`
}

func run(out io.Writer) error {
	c := Connection{
		Start: time.Unix(1700000000, 0),
		Host:  netip.MustParseAddr("192.0.2.1"),
		Port:  data.PortNumber{Number: 443, Protocol: data.ProtocolTCP},
		State: "SF",
		Tags:  []string{"new", "external"},
	}
	v, err := data.Marshal(c)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "as the reference prints it:", v)
	fmt.Fprintln(out, "as a literal:", v.Text())
	fmt.Fprintf(out, "as JSON: %s\n", jsonwire.AppendValue(nil, v))
	fmt.Fprintf(out, "in binary: %d bytes\n", v.BinarySize())

	var back Connection
	if err := data.Unmarshal(v, &back); err != nil {
		return err
	}
	fmt.Fprintln(out, "back in Go:", back.Host, back.Port, back.Tags)

	return parts(out)
}

// parts makes a value by hand and reads a part of it.
func parts(out io.Writer) error {
	v := data.Vector(
		data.String("hosts"),
		data.Table(
			data.Entry{Key: data.Address(netip.MustParseAddr("192.0.2.1")), Value: data.Count(3)},
			data.Entry{Key: data.Address(netip.MustParseAddr("192.0.2.2")), Value: data.Count(5)},
		),
	)
	table, _ := v.Index(1)
	key, err := data.ParseText("192.0.2.2")
	if err != nil {
		return err
	}
	count, ok := table.Lookup(key)
	fmt.Fprintln(out, "under", key, "is", count, ok)

	var wrong struct{ Name, Table string }
	fmt.Fprintln(out, "error:", data.Unmarshal(v, &wrong))
	return nil
}
