// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/wire"
)

// Texts of an Error that say who was met instead of a Broker endpoint of this protocol.
const (
	// TextHTTP: an HTTP client or server, perhaps of WebSockets.
	TextHTTP = "speaks HTTP, not Broker"
	// TextSSH: an SSH client or server.
	TextSSH = "speaks SSH, not Broker"
	// TextOld: the peer began with a header of CAF's BASP, the protocol of Broker before 2.3 and Zeek before 5.
	TextOld = "Broker 2.2 or older (CAF BASP)"
	// TextSilent: a dialer that waits for the other side's first word, as Broker before 2.3 does.
	TextSilent = "the dialer said nothing, as Broker 2.2 or older (CAF BASP) does"
	// TextNoWord: a dialer that closed the connection without having sent anything: a port scan or a health check.
	TextNoWord = "the dialer hung up without a word"
	// TextTLSClient: a TLS client at a port without TLS.
	TextTLSClient = "TLS client on a port without TLS"
	// TextTLSListener: a TLS server answered a dialer without TLS.
	TextTLSListener = "the listener speaks TLS, this end does not"
	// TextPlainClient: a Broker endpoint without TLS at a port with TLS.
	TextPlainClient = "Broker without TLS on a port with TLS"
	// TextPlainListener: a Broker endpoint without TLS answered a TLS dialer.
	TextPlainListener = "the listener speaks Broker without TLS, this end wants TLS"
	// TextNotBroker and TextNotTLS are followed by the first bytes, quoted.
	TextNotBroker = "not Broker: it begins with "
	TextNotTLS    = "neither TLS nor Broker: it begins with "
)

// quoted is how many of a stranger's first bytes are shown.
const quoted = 16

// httpWords begin what HTTP clients and servers say.
var httpWords = []string{"GET ", "POST", "HEAD", "PUT ", "OPTI", "PRI ", "CONN", "DELE", "PATC", "TRAC", "HTTP"}

// stranger recognises by the first bytes of a connection without TLS, or inside TLS, who is no endpoint of this protocol. There are at
// least four. A frame of the handshake begins with two zero bytes.
func stranger(b []byte, dialer bool) error {
	switch {
	case isTLS(b):
		text := TextTLSClient
		if dialer {
			text = TextTLSListener
		}
		return &Error{Class: TLSFailed, Text: text}
	case binary.BigEndian.Uint32(b) == 0:
		return &Error{Class: Incompatible, Text: TextOld}
	case b[0] != 0 || b[1] != 0:
		return &Error{Class: Incompatible, Text: named(b, TextNotBroker)}
	}
	return nil
}

// strangerTLS is stranger where TLS should begin.
func strangerTLS(b []byte, dialer bool) error {
	switch {
	case isTLS(b):
		return nil
	case len(b) >= 5 && b[0] == 0 && b[1] == 0 && (wire.Type(b[4]) == wire.TypeHello || wire.Type(b[4]) == wire.TypeProbe):
		text := TextPlainClient
		if dialer {
			text = TextPlainListener
		}
		return &Error{Class: TLSFailed, Text: text}
	case len(b) >= 4 && binary.BigEndian.Uint32(b) == 0:
		return &Error{Class: Incompatible, Text: TextOld}
	}
	return &Error{Class: TLSFailed, Text: named(b, TextNotTLS)}
}

// isTLS recognises a record that a TLS handshake can begin with: a handshake message or an alert.
func isTLS(b []byte) bool { return len(b) >= 2 && (b[0] == 0x15 || b[0] == 0x16) && b[1] == 3 }

// named gives the protocol if it is well known, else the bytes.
func named(b []byte, otherwise string) string {
	head := string(b[:min(4, len(b))])
	switch {
	case slices.Contains(httpWords, head):
		return TextHTTP
	case strings.HasPrefix(head, "SSH-"):
		return TextSSH
	}
	return otherwise + fmt.Sprintf("%q", b[:min(quoted, len(b))])
}

// httpAnswer tells a person with a browser what is wrong.
const httpAnswer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nThis port speaks the Broker protocol over TLS, not HTTP.\n"

// refuseStranger answers on a port with TLS, where nothing has been said yet, in a language that the client understands.
func refuseStranger(conn net.Conn, e *Error) {
	switch e.Text {
	case TextPlainClient:
		// The endpoint ID is for those who have been authenticated.
		e.Code = code.PeerIncompatible
		conn.Write(wire.AppendHandshake(nil, &wire.DropConn{Sender: data.EndpointID{}, Code: e.Code, Text: "this port wants TLS"}))
	case TextHTTP:
		conn.Write([]byte(httpAnswer))
	default:
		return
	}
	linger(conn)
}
