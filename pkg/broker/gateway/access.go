// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/broker/topic"
)

// Access says who may come and what they may do. The zero Access lets in everybody whom the TLS handshake has let through, and pages
// of the gateway's own host only.
type Access struct {
	// Tokens let clients in that present one, and tell them apart. With any here, a client needs a token or a verified
	// certificate, unless Anonymous is set. A token that isn't among them is never let in.
	Tokens    []Token
	Anonymous bool
	// Origins are the web pages that may connect beside those of the gateway's own host: patterns as in [path.Match] for
	// HOST[:PORT] or SCHEME://HOST[:PORT], regardless of case. Clients that are no browser send no origin and are not concerned. A
	// sole "*" allows all.
	Origins []string
	// Permissions say what clients may do. Without any, and without Default, everything is allowed. The entry of a client's token
	// counts, else that of its certificate, else Default; without one the client is refused.
	Permissions []Permission
	Default     *Rights
}

// Token is a secret that a client presents. Several tokens may have one name, so that a new one can be handed out before the old one
// ends.
type Token struct {
	// Name is how logs and permissions call who has it.
	Name string
	// SHA256 is the hash of the token, 64 hexadecimal digits; see HashToken. A token should be random and of 16 bytes or more: its
	// hash doesn't protect a word.
	SHA256 string
}

// Permission gives rights to the clients with a token of that name, or with a certificate of that URI; exactly one of the two is set.
type Permission struct {
	Token, URI string
	Rights
}

// Rights are topic prefixes: what a client may publish, and what it may subscribe to. None means nothing, an empty one everything.
type Rights struct {
	Publish, Subscribe []string
}

// HashToken is what Token.SHA256 wants.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func (a Access) validate() error {
	var all []error
	names := make(map[string]bool)
	for i, t := range a.Tokens {
		names[t.Name] = true
		if b, err := hex.DecodeString(t.SHA256); t.Name == "" || err != nil || len(b) != sha256.Size {
			all = append(all, fmt.Errorf("token %d (%q): want a name, and a SHA-256 of 64 hexadecimal digits", i, t.Name))
		}
	}
	for _, o := range a.Origins {
		if _, err := path.Match(o, ""); err != nil || o == "" {
			all = append(all, fmt.Errorf("origin %q: want a pattern for HOST or SCHEME://HOST", o))
		}
	}
	seen := make(map[[2]string]bool)
	for i, p := range a.Permissions {
		key := [2]string{p.Token, p.URI}
		switch {
		case (p.Token == "") == (p.URI == ""):
			all = append(all, fmt.Errorf("permission %d: want either a token's name or a URI", i))
		case p.Token != "" && !names[p.Token]:
			all = append(all, fmt.Errorf("permission %d: there is no token %q", i, p.Token))
		case seen[key]:
			all = append(all, fmt.Errorf("permission %d: there is one for %q already", i, p.Token+p.URI))
		}
		seen[key] = true
	}
	return errors.Join(all...)
}

// rights is the form of Rights that questions are asked of; nil allows everything.
type rights struct{ publish, subscribe topic.Filter }

func newRights(r Rights) *rights {
	return &rights{topic.NewFilter(r.Publish...), topic.NewFilter(r.Subscribe...)}
}

func (r *rights) mayPublish(name string) bool { return r == nil || r.publish.Matches(name) }

// maySubscribe: a prefix is allowed when all topics that it wants are, so when an allowed prefix begins it.
func (r *rights) maySubscribe(prefix string) bool { return r == nil || r.subscribe.Matches(prefix) }

func (r *rights) equal(o *rights) bool {
	if r == nil || o == nil {
		return r == o
	}
	return r.publish.Equal(o.publish) && r.subscribe.Equal(o.subscribe)
}

// doorman decides who is let in. It is made of Access once and never changed.
type doorman struct {
	hashes     [][sha256.Size]byte
	names      []string // of the hashes
	anonymous  bool
	origins    []string
	restricted bool // there are permissions
	tokens     map[string]*rights
	uris       map[string]*rights
	others     *rights // nil with restricted: refused
}

// newDoorman makes one of a valid Access.
func newDoorman(a Access) *doorman {
	d := &doorman{
		anonymous: a.Anonymous, origins: a.Origins, restricted: len(a.Permissions) > 0 || a.Default != nil,
		tokens: make(map[string]*rights), uris: make(map[string]*rights),
	}
	for _, t := range a.Tokens {
		var hash [sha256.Size]byte
		_, _ = hex.Decode(hash[:], []byte(t.SHA256)) // validate has seen that it is right
		d.hashes, d.names = append(d.hashes, hash), append(d.names, t.Name)
	}
	for _, p := range a.Permissions {
		if p.Token != "" {
			d.tokens[p.Token] = newRights(p.Rights)
		} else {
			d.uris[p.URI] = newRights(p.Rights)
		}
	}
	if a.Default != nil {
		d.others = newRights(*a.Default)
	}
	return d
}

// visitor is who stands behind a connection.
type visitor struct {
	token    string // name
	uri      string
	verified bool // has a certificate of the CA
}

// String is how logs call the visitor.
func (v visitor) String() string {
	switch {
	case v.token != "":
		return "token " + v.token
	case v.uri != "":
		return v.uri
	case v.verified:
		return "certificate without a URI"
	default:
		return "anonymous"
	}
}

// refusal is the HTTP answer to who isn't let in.
type refusal struct {
	status int
	text   string
}

var (
	errOrigin = &refusal{http.StatusForbidden, "this page's origin may not connect"}
	errToken  = &refusal{http.StatusUnauthorized, "the token is not known"}
	errNobody = &refusal{http.StatusUnauthorized, "a token or a client certificate is needed"}
	errRights = &refusal{http.StatusForbidden, "no permission for this client"}
)

// admit answers who the client is and what it may do, or why it isn't let in.
func (d *doorman) admit(r *http.Request) (visitor, *rights, *refusal) {
	if !d.originAllowed(r) {
		return visitor{}, nil, errOrigin
	}
	v, refused := d.identify(r)
	if refused != nil {
		return v, nil, refused
	}
	may, ok := d.tokens[v.token]
	if !ok {
		may, ok = d.uris[v.uri]
	}
	if !ok && d.restricted {
		if may = d.others; may == nil {
			return v, nil, errRights
		}
	}
	return v, may, nil
}

func (d *doorman) identify(r *http.Request) (v visitor, refused *refusal) {
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		v.verified = true
		if names := r.TLS.VerifiedChains[0][0].URIs; len(names) > 0 {
			v.uri = names[0].String()
		}
	}
	if secret, ok := presented(r.Header); ok {
		if v.token, ok = d.holder(secret); !ok {
			return v, errToken
		}
	}
	if v.token == "" && !v.verified && len(d.hashes) > 0 && !d.anonymous {
		return v, errNobody
	}
	return v, nil
}

// holder finds the name of a token. How long it takes tells nothing of the hashes.
func (d *doorman) holder(secret string) (name string, ok bool) {
	hash := sha256.Sum256([]byte(secret))
	found := -1
	for i := range d.hashes {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], d.hashes[i][:]), i, found)
	}
	if found < 0 {
		return "", false
	}
	return d.names[found], true
}

// Subprotocols of a browser's request: its scripts can set no other header. The gateway agrees to the first; the second carries the
// token and is never echoed.
const (
	Subprotocol      = "brokermesh.json"
	TokenSubprotocol = "brokermesh.token."
)

// presented is the token of a request. Query parameters are no place for one: proxies and browsers write them down.
func presented(h http.Header) (token string, ok bool) {
	if scheme, rest, _ := strings.Cut(h.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(rest), true
	}
	for _, line := range h.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			if token, ok = strings.CutPrefix(strings.TrimSpace(name), TokenSubprotocol); ok {
				return token, true
			}
		}
	}
	return "", false
}

// originAllowed: what has no origin is no web page.
func (d *doorman) originAllowed(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	if len(origins) > 1 {
		return false
	}
	u, err := url.Parse(strings.ToLower(origins[0]))
	if err != nil {
		return false
	}
	if u.Host != "" && u.Host == strings.ToLower(r.Host) {
		return true
	}
	for _, pattern := range d.origins {
		target := u.Host
		if strings.Contains(pattern, "://") {
			target = u.Scheme + "://" + u.Host
		}
		if ok, _ := path.Match(strings.ToLower(pattern), target); ok && (u.Host != "" || pattern == "*") {
			return true
		}
	}
	return false
}
