// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// header makes one of name and value in turn.
func header(parts ...string) http.Header {
	h := make(http.Header)
	for i := 0; i < len(parts); i += 2 {
		h.Add(parts[i], parts[i+1])
	}
	return h
}

// status is the HTTP answer to a request with these headers.
func status(t *testing.T, g *Gateway, h http.Header) int {
	t.Helper()
	conn, response, err := websocket.Dial(t.Context(), "ws://"+g.Addr().String()+Path, &websocket.DialOptions{HTTPHeader: h})
	if response == nil {
		t.Fatal(err)
	}
	if err == nil {
		conn.CloseNow()
	}
	if response.StatusCode == http.StatusUnauthorized && !strings.HasPrefix(response.Header.Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("answer %v", response.Header)
	}
	return response.StatusCode
}

func TestTokens(t *testing.T) {
	tokens := []Token{{"a", HashToken("secret-a")}, {"b", strings.ToUpper(HashToken("secret-b"))}, {"a", HashToken("newer-a")}}
	const in, unauthorized, forbidden = http.StatusSwitchingProtocols, http.StatusUnauthorized, http.StatusForbidden
	only := []Permission{{Token: "a", Rights: Rights{Publish: []string{""}}}}
	for _, c := range []struct {
		name   string
		access Access
		header http.Header
		want   int
	}{
		{"none needed", Access{}, nil, in},
		{"not known, none needed", Access{}, header("Authorization", "Bearer x"), unauthorized},
		{"other schemes are not ours", Access{}, header("Authorization", "Basic x"), in},
		{"none", Access{Tokens: tokens}, nil, unauthorized},
		{"none, but anonymous may", Access{Tokens: tokens, Anonymous: true}, nil, in},
		{"wrong, though anonymous may", Access{Tokens: tokens, Anonymous: true}, header("Authorization", "Bearer x"), unauthorized},
		{"empty", Access{Tokens: tokens}, header("Authorization", "Bearer "), unauthorized},
		{"the hash itself", Access{Tokens: tokens}, header("Authorization", "Bearer "+tokens[0].SHA256), unauthorized},
		{"first", Access{Tokens: tokens}, header("Authorization", "Bearer secret-a"), in},
		{"case of the scheme", Access{Tokens: tokens}, header("Authorization", "bearer secret-b"), in},
		{"second of a name", Access{Tokens: tokens}, header("Authorization", "Bearer newer-a"), in},
		{"as a browser has it", Access{Tokens: tokens}, header("Sec-WebSocket-Protocol", Subprotocol+", "+TokenSubprotocol+"secret-b"), in},
		{"wrong in a browser", Access{Tokens: tokens}, header("Sec-WebSocket-Protocol", TokenSubprotocol+"x"), unauthorized},
		{"permitted", Access{Tokens: tokens, Permissions: only}, header("Authorization", "Bearer newer-a"), in},
		{"no permission", Access{Tokens: tokens, Permissions: only}, header("Authorization", "Bearer secret-b"), forbidden},
		{"no permission, but a default", Access{Tokens: tokens, Permissions: only, Default: &Rights{}}, header("Authorization", "Bearer secret-b"), in},
		{"nobody is permitted", Access{Tokens: tokens, Permissions: only, Anonymous: true}, nil, forbidden},
	} {
		g := newGateway(t, newEndpoint(t), Options{Access: c.access})
		if got := status(t, g, c.header); got != c.want {
			t.Errorf("%s: status %d, want %d", c.name, got, c.want)
		}
	}
}

// A browser takes an agreed subprotocol only, and the token must not come back.
func TestSubprotocol(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{Access: Access{Tokens: []Token{{"a", HashToken("s")}}}})
	c := dialAt(t, "ws://"+g.Addr().String()+Path, &websocket.DialOptions{Subprotocols: []string{TokenSubprotocol + "s", Subprotocol}})
	if got := c.Subprotocol(); got != Subprotocol {
		t.Errorf("agreed upon %q", got)
	}
	c = dialAt(t, "ws://"+g.Addr().String()+Path, &websocket.DialOptions{Subprotocols: []string{TokenSubprotocol + "s"}})
	if got := c.Subprotocol(); got != "" {
		t.Errorf("agreed upon %q", got)
	}
}

func TestOrigins(t *testing.T) {
	const in, out = http.StatusSwitchingProtocols, http.StatusForbidden
	patterns := []string{"good.example", "*.Sub.example:8080", "https://safe.example"}
	for _, c := range []struct {
		allowed []string
		origin  string
		want    int
	}{
		{nil, "http://HOST", in},
		{nil, "https://HOST", in}, // TLS may end before the gateway
		{nil, "http://evil.example", out},
		{nil, "null", out},
		{nil, "", out},
		{nil, "http://HOST.evil.example", out},
		{nil, "http://evil.example/HOST", out},
		{nil, "http://HOST@evil.example", out},
		{nil, "%", out},
		{[]string{"*"}, "https://any.example:1234", in},
		{[]string{"*"}, "null", in}, // a file, or a page in a sandbox
		{patterns, "http://HOST", in},
		{patterns, "http://GOOD.example", in},
		{patterns, "http://good.example:8080", out},
		{patterns, "http://a.sub.example:8080", in},
		{patterns, "http://sub.example:8080", out},
		{patterns, "https://safe.example", in},
		{patterns, "http://safe.example", out},
	} {
		g := newGateway(t, newEndpoint(t), Options{Access: Access{Origins: c.allowed}})
		origin := strings.ReplaceAll(c.origin, "HOST", g.Addr().String())
		if got := status(t, g, header("Origin", origin)); got != c.want {
			t.Errorf("%q with %q allowed: status %d, want %d", c.origin, c.allowed, got, c.want)
		}
	}
	g := newGateway(t, newEndpoint(t), Options{Access: Access{Origins: patterns}})
	if got := status(t, g, header("Origin", "http://good.example", "Origin", "http://good.example")); got != out {
		t.Errorf("two origins: status %d", got)
	}
}

func TestPermissions(t *testing.T) {
	g := newGateway(t, newEndpoint(t), Options{Access: Access{
		Tokens:    []Token{{"writer", HashToken("w")}, {"reader", HashToken("r")}},
		Anonymous: true,
		Permissions: []Permission{
			{Token: "writer", Rights: Rights{Publish: []string{"/t/"}}},
			{Token: "reader", Rights: Rights{Subscribe: []string{"/t/", "/u"}}},
		},
		Default: &Rights{Subscribe: []string{"/public"}},
	}})
	writer := dial(t, g, Path, header("Authorization", "Bearer w"))
	reader := dial(t, g, Path, header("Authorization", "Bearer r"))
	writer.join(g, `[]`)
	reader.join(g, `["/t/x","/u"]`)
	writer.send(strings.ReplaceAll(one, "/t/x", "/t"))
	writer.expect(`{"type":"error","code":"permission_denied","context":"input #1: not allowed to publish to \"/t\""}`)
	writer.send(one)
	reader.expect(one)
	reader.send(one)
	reader.expect(`{"type":"error","code":"permission_denied","context":"input #1: not allowed to publish to \"/t/x\""}`)
	for token, wanted := range map[string][]string{
		"r": {`["/t"]`, `[""]`, `["/t/","/v"]`},
		"w": {`["/t/"]`},
		"":  {`["/t/"]`, `["/publi"]`},
	} {
		for _, w := range wanted {
			h := header("Authorization", "Bearer "+token)
			if token == "" {
				h = nil
			}
			c := dial(t, g, Path, h)
			c.send(w)
			if got := c.receive(); !strings.HasPrefix(got, `{"type":"error","code":"permission_denied","context":"not allowed to subscribe to \"`) {
				t.Errorf("%q asks for %s: %s", token, w, got)
			}
			c.closed(websocket.StatusPolicyViolation)
		}
	}
	dial(t, g, Path, nil).join(g, `["/public/news"]`)
}

// Who is refused by new rules, or gets others, is let go.
func TestSetAccess(t *testing.T) {
	tokens := []Token{{"a", HashToken("a")}, {"b", HashToken("b")}, {"c", HashToken("c")}}
	all, some := Rights{[]string{""}, []string{""}}, Rights{Publish: []string{""}}
	permissions := func(b Rights) []Permission {
		return []Permission{{Token: "a", Rights: all}, {Token: "b", Rights: b}, {Token: "c", Rights: all}}
	}
	g := newGateway(t, newEndpoint(t), Options{Access: Access{Tokens: tokens, Permissions: permissions(all)}})
	var clients []client
	for _, name := range []string{"a", "b", "c"} {
		c := dial(t, g, Path, header("Authorization", "Bearer "+name))
		c.join(g, `["/t"]`)
		clients = append(clients, c)
	}
	if err := g.SetAccess(Access{Permissions: permissions(all)}); err == nil {
		t.Error("permissions of unknown tokens were accepted")
	}
	if err := g.SetAccess(Access{Tokens: tokens[:2], Permissions: permissions(some)[:2]}); err != nil {
		t.Fatal(err)
	}
	clients[1].closed(websocket.StatusPolicyViolation)
	clients[2].closed(websocket.StatusPolicyViolation)
	again := dial(t, g, Path, header("Authorization", "Bearer b"))
	again.join(g, `[]`)
	again.send(one)
	clients[0].expect(one)
	if got := status(t, g, header("Authorization", "Bearer c")); got != http.StatusUnauthorized {
		t.Errorf("status %d", got)
	}
}

// locked is a buffer for the lines of a log.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Whatever happens, tokens don't get into the log.
func TestTokensAreNotLogged(t *testing.T) {
	var log locked
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g := newGateway(t, newEndpoint(t), Options{Logger: logger, Access: Access{Tokens: []Token{{"known", HashToken("s3cret")}}}})
	c := dial(t, g, Path, header("Authorization", "Bearer s3cret"))
	c.join(g, `["/t"]`)
	c.send("s3cret")
	c.receive()
	status(t, g, header("Authorization", "Bearer s3cret-too"))
	status(t, g, header("Sec-WebSocket-Protocol", TokenSubprotocol+"s3cret-too"))
	if n := g.Refused(); n != 2 {
		t.Errorf("%d were refused", n)
	}
	g.Close()
	log.mu.Lock()
	defer log.mu.Unlock()
	text := log.b.String()
	if strings.Contains(text, "s3cret") || strings.Contains(text, HashToken("s3cret")) {
		t.Errorf("the log has a token: %s", text)
	}
	for _, want := range []string{`identity="token known"`, "the token is not known", "travel unencrypted"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %q: %s", want, text)
		}
	}
}

// FuzzAdmit gives all that a stranger can put into a request to the doorman: who has no token is never let in.
func FuzzAdmit(f *testing.F) {
	f.Add("Bearer x", "brokermesh.token.x", "http://h", "h")
	f.Add("bearer  secret", "a, brokermesh.token.", "null", "")
	f.Add("", "", "https://%zz", "%zz")
	d := newDoorman(Access{Tokens: []Token{{"a", HashToken("correct horse battery staple")}}, Origins: []string{"*.example", "https://[a-c]*"}})
	f.Fuzz(func(t *testing.T, authorization, protocol, origin, host string) {
		r := &http.Request{Host: host, Header: header("Authorization", authorization, "Sec-Websocket-Protocol", protocol, "Origin", origin)}
		who, _, refused := d.admit(r)
		if refused == nil && !strings.Contains(authorization+protocol, "correct horse battery staple") {
			t.Fatalf("%v was let in", who)
		}
		mannersOf(DialectAuto, header("X-Application-Name", protocol))
	})
}
