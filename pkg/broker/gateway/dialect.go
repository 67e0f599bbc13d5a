// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/jsonwire"
	"github.com/brokermesh/brokermesh/pkg/broker/topic"
	"github.com/brokermesh/brokermesh/pkg/broker/zeek"
)

// Dialect is the server that clients were written for, where it makes a difference.
type Dialect string

// The dialects; the empty one is DialectAuto.
const (
	// DialectAuto serves clients of both: who gives an application name gets the acknowledgement of Zeek's server and its answer to
	// a wrong path, everybody else those of C++ Broker's. Queries in the path are ignored, any value may be sent, and complaints
	// are C++ Broker's with the reason added.
	DialectAuto Dialect = "Auto"
	// DialectBroker is C++ Broker's former server: application names are ignored, a wrong path is status 400, the end of the
	// gateway is code 1000, and local topics are heard by whoever has a prefix of them.
	DialectBroker Dialect = "Broker"
	// DialectZeek is Zeek's own server: clients send and get Zeek events only, a path with a query is wrong, complaints are in
	// Zeek's words, and binary messages are read as text.
	DialectZeek Dialect = "Zeek"
)

// manners is what a dialect makes of one client.
type manners struct {
	dialect Dialect
	zeek    bool // acknowledgement and wrong paths as with Zeek's server
	name    string
}

// mannersOf looks at a request. ok is false for a name that can't be one.
func mannersOf(d Dialect, h http.Header) (m manners, ok bool) {
	names := h.Values("X-Application-Name")
	m = manners{dialect: d, zeek: d == DialectZeek || d == DialectAuto && len(names) > 0}
	ok = true
	if len(names) > 0 {
		if ok = strings.TrimLeft(names[0], nameBytes) == ""; ok {
			m.name = names[0]
		}
	}
	return m, ok || d == DialectBroker
}

// nameBytes are what an application name may consist of.
const nameBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_-.=:*@"

// rightPath tells whether a request is for the protocol's path.
func (m manners) rightPath(r *http.Request) bool {
	return r.URL.Path == Path && (m.dialect != DialectZeek || r.RequestURI == Path)
}

// wrongPath answers a request that is not upgraded.
func (m manners) wrongPath(w http.ResponseWriter) {
	if m.dialect != DialectBroker {
		http.Error(w, "invalid path; try "+Path, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `caf::sec::invalid_argument("invalid path; try %s")`, Path)
}

// endpoint is the name in the acknowledgement.
func (m manners) endpoint(node string, number uint64) string {
	if m.zeek {
		return fmt.Sprintf("%s-websocket-%d", node, number)
	}
	return node
}

// readsBinary tells whether binary messages count as text.
func (m manners) readsBinary() bool { return m.dialect == DialectZeek }

// farewell is how the end of the gateway is said.
func (m manners) farewell() *ending {
	if m.dialect == DialectBroker {
		return &ending{websocket.StatusNormalClosure, "EOF"}
	}
	return errStopped
}

// errNoEvent: only DialectZeek minds.
var errNoEvent = errors.New("not a Zeek event")

// takes tells what is wrong with a message that the client sends.
func (m manners) takes(v data.Value) error {
	if m.dialect == DialectZeek {
		if _, err := zeek.ParseEvent(v); err != nil {
			return errNoEvent
		}
	}
	return nil
}

// gives tells whether a message is for a client with these subscriptions. Topics of the endpoint itself, such as those of status
// events, are only for who asks for them by name, so that "everything" doesn't tell every client what the others do.
func (m manners) gives(msg *broker.Message, named topic.Filter) bool {
	if topic.IsReserved(msg.Topic) {
		return topic.IsLocal(msg.Topic) && (m.dialect == DialectBroker || m.dialect == DialectAuto && named.Matches(msg.Topic))
	}
	if m.dialect != DialectZeek {
		return true
	}
	_, err := zeek.ParseEvent(msg.Value)
	return err == nil
}

// byName are the subscriptions that ask for topics of the endpoint itself.
func byName(prefixes []string) topic.Filter {
	var named []string
	for _, p := range prefixes {
		if strings.HasPrefix(p, topic.Reserved) {
			named = append(named, p)
		}
	}
	return topic.NewFilter(named...)
}

// complaint says what was wrong with the n-th message.
func (m manners) complaint(n int, err error) string {
	class := jsonwire.ClassValue
	if e := (*jsonwire.Error)(nil); errors.As(err, &e) {
		class = e.Class
	}
	if m.dialect == DialectZeek {
		switch {
		case errors.Is(err, errNoEvent):
			return "failed to create Zeek event"
		case class == jsonwire.ClassTopic:
			return "no topic in top-level JSON object"
		default:
			return "failed to decode JSON object"
		}
	}
	text := fmt.Sprintf("input #%d contained invalid data", n)
	switch class {
	case jsonwire.ClassSyntax:
		text = fmt.Sprintf("input #%d contained malformed JSON", n)
	case jsonwire.ClassObject:
		return fmt.Sprintf("input #%d expected a JSON object", n)
	case jsonwire.ClassDuplicate:
		text = fmt.Sprintf("input #%d caused an internal error", n)
	}
	return text + " -> " + err.Error()
}
