// SPDX-License-Identifier: Apache-2.0

package zeek_test

import (
	"fmt"
	"log"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/zeek"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// The event weather(station: string, sent: time, celsius: double).
func ExampleMarshal() {
	v, err := zeek.Marshal("weather", "north", time.Unix(1700000000, 0), 4.5)
	check(err)
	fmt.Println(v)

	e, err := zeek.ParseEvent(v)
	check(err)
	var args struct {
		Station string
		Sent    time.Time
		Celsius float64
	}
	check(e.Unmarshal(&args))
	fmt.Println(e.Name, args.Station, args.Celsius)
	fmt.Println(e.Scan(&args.Station))
	// Output:
	// (1, 1, (weather, (north, 1700000000000000000ns, 4.500000)))
	// weather north 4.5
	// number of arguments: event weather has 3, want 1
}

// Metadata of Zeek and of a program.
func ExampleEvent_With() {
	e, err := zeek.MarshalEvent("e", true)
	check(err)
	e = e.At(time.Unix(1700000000, 0)).With(zeek.UserMetadata, data.String("lab"))
	fmt.Println(e.Message().Text())
	at, _ := e.Timestamp()
	fmt.Println(at)
	// Output:
	// (1, 1, ("e", (T), ((1, 2023-11-14T22:13:20Z), (200, "lab"))))
	// 2023-11-14 22:13:20 +0000 UTC
}

// What Zeek logs comes in batches of records.
func ExampleMessages() {
	cells := []zeek.Cell{
		{Type: zeek.ColumnTime, Value: data.Timestamp(time.Unix(1700000000, 0))},
		{Type: zeek.ColumnString, Value: data.String("C1")},
		{Type: zeek.ColumnAddr},
	}
	record, err := zeek.NewLogWrite("Conn::LOG", "Log::WRITER_ASCII", "conn", cells)
	check(err)
	batch := zeek.NewBatch(record.Message(), record.Message())
	for m := range zeek.Messages(batch) {
		l, err := zeek.ParseLogWrite(m)
		check(err)
		columns, err := l.Cells()
		check(err)
		fmt.Print(l.Path)
		for _, c := range columns {
			fmt.Print(" ", c.Type, " ", c.Value)
		}
		fmt.Println()
	}
	// Output:
	// conn time 1700000000000000000ns string C1 addr nil
	// conn time 1700000000000000000ns string C1 addr nil
}
