// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"io"
	"log/slog"
	"math"
	"os"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/peering"
)

// settings are the options of an endpoint as they come from outside.
type settings struct {
	broker.Options
	tls         peering.TLS
	plain       bool
	flowControl bool
	log         string
}

// setters read the options by their names; what they answer is what would have been right.
var setters = map[string]func(s *settings, v data.Value) (want string){
	"disable_ssl":         boolean(func(s *settings) *bool { return &s.plain }),
	"plain_protocol":      boolean(func(s *settings) *bool { return &s.PlainProtocol }),
	"flow_control":        boolean(func(s *settings) *bool { return &s.flowControl }),
	"certificate":         text(func(s *settings) *string { return &s.tls.CertFile }),
	"key":                 text(func(s *settings) *string { return &s.tls.KeyFile }),
	"passphrase":          text(func(s *settings) *string { return &s.tls.Passphrase }),
	"cafile":              text(func(s *settings) *string { return &s.tls.CAFile }),
	"capath":              text(func(s *settings) *string { return &s.tls.CADir }),
	"log":                 text(func(s *settings) *string { return &s.log }),
	"memory_limit":        number(func(s *settings) *int { return &s.MemoryLimit }),
	"peer_messages":       number(func(s *settings) *int { return &s.PeerQueue.Messages }),
	"peer_bytes":          number(func(s *settings) *int { return &s.PeerQueue.Bytes }),
	"subscriber_messages": number(func(s *settings) *int { return &s.SubscriberQueue.Messages }),
	"subscriber_bytes":    number(func(s *settings) *int { return &s.SubscriberQueue.Bytes }),
	"threads":             number(func(*settings) *int { return new(int) }),
	"forward":             setForward,
	"id":                  setID,
}

func boolean(field func(*settings) *bool) func(*settings, data.Value) string {
	return func(s *settings, v data.Value) string {
		b, ok := v.AsBoolean()
		if !ok {
			return "a boolean"
		}
		*field(s) = b
		return ""
	}
}

func text(field func(*settings) *string) func(*settings, data.Value) string {
	return func(s *settings, v data.Value) string {
		t, ok := v.AsString()
		if !ok {
			return "a string"
		}
		*field(s) = t
		return ""
	}
}

func number(field func(*settings) *int) func(*settings, data.Value) string {
	return func(s *settings, v data.Value) string {
		n, ok := asCount(v)
		if !ok || n > math.MaxInt32 {
			return "a count below 2^31"
		}
		*field(s) = int(n)
		return ""
	}
}

func setForward(s *settings, v data.Value) string {
	on, ok := v.AsBoolean()
	if !ok {
		return "a boolean"
	}
	s.Forward = broker.ForwardMesh
	if !on {
		s.Forward = broker.ForwardNone
	}
	return ""
}

func setID(s *settings, v data.Value) string {
	t, _ := v.AsString()
	id, err := data.ParseEndpointID(t)
	if err != nil {
		return "a string with a UUID"
	}
	s.ID = id
	return ""
}

// parseSettings reads a table in binary form; no bytes are no options.
func parseSettings(encoded []byte) (*settings, error) {
	s := &settings{flowControl: true}
	err := eachOption(encoded, func(name string, v data.Value) error {
		set := setters[name]
		if set == nil {
			return wrong("option %q is unknown", name)
		}
		if want := set(s, v); want != "" {
			return wrong("option %q is %s of kind %s, %s is wanted", name, v.Text(), v.Kind(), want)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, s.chooseTLS()
}

// eachOption reads a table of strings to values.
func eachOption(encoded []byte, set func(name string, v data.Value) error) error {
	if len(encoded) == 0 {
		return nil
	}
	table, err := data.Decode(encoded)
	if err != nil {
		return wrong("the options are no value: %v", err)
	}
	if table.Kind() != data.KindTable {
		return wrong("the options are a %s, a table is wanted", table.Kind())
	}
	for k, v := range table.Entries() {
		name, ok := k.AsString()
		if !ok {
			return wrong("an option is named %s, a string is wanted", k.Text())
		}
		if err := set(name, v); err != nil {
			return err
		}
	}
	return nil
}

// chooseTLS decides between plain TCP, certificates, and TLS without them.
func (s *settings) chooseTLS() error {
	t := &s.tls
	switch {
	case s.plain:
	case t.CertFile == "" && t.KeyFile == "" && t.Passphrase == "" && t.CAFile == "" && t.CADir == "":
		s.TLS = &peering.TLS{Anonymous: true}
	case t.CertFile == "":
		return wrong("TLS is asked for, and there is no certificate: option \"certificate\" is empty")
	case t.KeyFile == "":
		return wrong("TLS is asked for, and there is no private key: option \"key\" is empty")
	default:
		s.TLS = t
	}
	return nil
}

// openLog is where the endpoint writes what happens to it; close, if not nil, ends that.
func (s *settings) openLog() (closeLog io.Closer, err error) {
	var to io.Writer
	switch s.log {
	case "":
		return nil, nil
	case "-":
		to = os.Stderr
	default:
		f, err := os.OpenFile(s.log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		to, closeLog = f, f
	}
	s.Logger = slog.New(slog.NewTextHandler(to, nil))
	return closeLog, nil
}

// shutdownTime is how long an endpoint that is closed may take to send what it has.
const shutdownTime = 5 * time.Second
