// SPDX-License-Identifier: Apache-2.0

package nodeconfig

import (
	"fmt"
	"regexp"
	"strings"
)

// Limits of what a document says of WebSocket clients.
const (
	MaxClients       = 100
	MaxOrigins       = 32
	MaxPrefixes      = 64
	MaxText          = 1024
	MaxMessageBytes  = 64 << 20
	MaxBytesASecond  = 1 << 40
	MaxCount         = 1_000_000 // of subscriptions, connections, messages
	leastMessageSize = 1 << 10
)

var (
	hashPattern   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	originPattern = regexp.MustCompile(`^([a-zA-Z][-+.a-zA-Z0-9]*://)?[-_.*?:0-9A-Za-z]+$`)
	uriPattern    = regexp.MustCompile(`^[a-zA-Z][-+.a-zA-Z0-9]*:[!-~]+$`)
)

func (v *validation) webSocket(c Config) {
	w := c.WebSocket
	if w == nil {
		return
	}
	if c.WebSocketPort == 0 {
		v.found = append(v.found, Problem{"webSocket", "set", "only with webSocketPort"})
	}
	v.oneOf("webSocket.dialect", w.Dialect, "", DialectAuto, DialectBroker, DialectZeek)
	v.oneOf("webSocket.clientCertificates", w.ClientCertificates, "", CertificatesRequired, CertificatesOptional, CertificatesNone)
	if v.atMost("webSocket.allowedOrigins", len(w.AllowedOrigins), MaxOrigins) {
		for i, o := range w.AllowedOrigins {
			if field := fmt.Sprintf("webSocket.allowedOrigins[%d]", i); v.text(field, o, 1, MaxText) && !originPattern.MatchString(o) {
				v.add(field, o, "a pattern for HOST[:PORT] or SCHEME://HOST[:PORT]")
			}
		}
	}
	if v.atMost("webSocket.clients", len(w.Clients), MaxClients) {
		v.clients(w.Clients)
	}
	if w.Others != nil {
		v.rights("webSocket.others.", *w.Others)
	}
	if w.Limits != nil {
		v.limits(*w.Limits)
	}
}

// clients never quotes a hash: who takes it for a token puts a token there.
func (v *validation) clients(list []Client) {
	names, hashes, certificates := make(map[string]bool), make(map[string]bool), make(map[string]bool)
	for i, c := range list {
		at := fmt.Sprintf("webSocket.clients[%d].", i)
		v.match(at+"name", c.Name, labelPattern, 63)
		if names[c.Name] {
			v.add(at+"name", c.Name, "each client once")
		}
		switch {
		case c.TokenSHA256 == "" && c.Certificate == "":
			v.found = append(v.found, Problem{strings.TrimSuffix(at, "."), "neither tokenSHA256 nor certificate", "one of them, or both"})
		case c.TokenSHA256 != "" && !hashPattern.MatchString(c.TokenSHA256):
			v.found = append(v.found, Problem{at + "tokenSHA256", fmt.Sprintf("%d characters", len(c.TokenSHA256)), "64 digits of 0-9 and a-f"})
		case hashes[c.TokenSHA256]:
			v.found = append(v.found, Problem{at + "tokenSHA256", "found twice", "each token once"})
		}
		if c.Certificate != "" && v.text(at+"certificate", c.Certificate, 1, MaxText) && !uriPattern.MatchString(c.Certificate) {
			v.add(at+"certificate", c.Certificate, "a URI")
		}
		if certificates[c.Certificate] {
			v.add(at+"certificate", c.Certificate, "each certificate once")
		}
		names[c.Name], hashes[c.TokenSHA256], certificates[c.Certificate] = true, c.TokenSHA256 != "", c.Certificate != ""
		v.rights(at, c.Rights)
	}
}

func (v *validation) rights(at string, r Rights) {
	v.prefixes(at+"publish", r.Publish)
	v.prefixes(at+"subscribe", r.Subscribe)
}

func (v *validation) prefixes(field string, list []string) {
	if !v.atMost(field, len(list), MaxPrefixes) {
		return
	}
	for i, prefix := range list {
		v.text(fmt.Sprintf("%s[%d]", field, i), prefix, 0, MaxText)
	}
}

func (v *validation) limits(l Limits) {
	v.between("webSocket.limits.messageBytes", l.MessageBytes, leastMessageSize, MaxMessageBytes)
	v.between("webSocket.limits.subscriptions", int64(l.Subscriptions), 1, MaxCount)
	v.between("webSocket.limits.connections", int64(l.Connections), 1, MaxCount)
	v.between("webSocket.limits.connectionsPerAddress", int64(l.ConnectionsPerAddress), 1, MaxCount)
	v.between("webSocket.limits.messagesPerSecond", int64(l.MessagesPerSecond), 1, MaxCount)
	v.between("webSocket.limits.bytesPerSecond", l.BytesPerSecond, leastMessageSize, MaxBytesASecond)
	v.between("webSocket.limits.queueMessages", int64(l.QueueMessages), 1, MaxCount)
	v.oneOf("webSocket.limits.overflow", l.Overflow, "", OverflowDisconnect, OverflowDropOldest, OverflowDropNewest)
}

// between checks a number of which 0 says that it isn't set.
func (v *validation) between(field string, n, least, most int64) {
	if n != 0 && (n < least || n > most) {
		v.add(field, n, fmt.Sprintf("0, or %d to %d", least, most))
	}
}

func (v *validation) atMost(field string, n, most int) bool {
	if n > most {
		v.add(field, n, fmt.Sprintf("at most %d", most))
	}
	return n <= most
}
