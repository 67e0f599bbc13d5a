// SPDX-License-Identifier: Apache-2.0

// Command websocket is a client of a WebSocket gateway. It needs nothing of this
// project but the gateway's address:
//
//	go run ./examples/websocket -url ws://127.0.0.1:9997/v1/messages/json
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

func main() {
	url := flag.String("url", "ws://127.0.0.1:9997/v1/messages/json", "the gateway")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *url, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// Message is what both sides send: values carry their type beside them.
type Message struct {
	Type  string          `json:"type"` // data-message, ack or error
	Topic string          `json:"topic,omitempty"`
	Kind  string          `json:"@data-type,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"`
	// Code and Context are those of an error.
	Code    string `json:"code,omitempty"`
	Context string `json:"context,omitempty"`
}

func run(ctx context.Context, url string, out io.Writer) error {
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer conn.CloseNow()

	// First the topics, then the answer, which comes when they are subscribed to.
	if err := wsjson.Write(ctx, conn, []string{"/answers/"}); err != nil {
		return err
	}
	var ack Message
	if err := wsjson.Read(ctx, conn, &ack); err != nil {
		return err
	}
	fmt.Fprintln(out, ack.Type)

	question := Message{Type: "data-message", Topic: "/questions/1", Kind: "count", Data: json.RawMessage("20")}
	if err := wsjson.Write(ctx, conn, question); err != nil {
		return err
	}
	var answer Message
	if err := wsjson.Read(ctx, conn, &answer); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %s %s\n", answer.Topic, answer.Kind, answer.Data)
	return conn.Close(websocket.StatusNormalClosure, "")
}
