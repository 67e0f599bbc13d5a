// SPDX-License-Identifier: Apache-2.0

package nodeconfig

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var digits = strings.Repeat("0a", 32)

// door is a node with everything that came after the first step: clients with rights, and TLS that differs from link to link.
func door() Config {
	return Config{
		Version: Version, Namespace: "default", Node: "door", Pod: "door-0", WebSocketPort: 9997, TLS: TLSAnonymous,
		WebSocket: &WebSocket{
			Dialect: DialectZeek, AllowedOrigins: []string{"*.example.org", "*"}, ClientCertificates: CertificatesNone,
			Clients: []Client{
				{Name: "b", Certificate: "brokermesh://default/client"},
				{Name: "a", TokenSHA256: digits, Rights: Rights{Publish: []string{"y", "", "y"}, Subscribe: []string{"x"}}},
			},
			Others: &Rights{Subscribe: []string{"public/"}},
			Limits: &Limits{1 << 20, 1, 2, 1, 3, 1 << 30, 4, OverflowDropOldest},
		},
		Peers: []Peer{
			{Name: "door-core", Address: "core:9999", Node: "core", Pod: "core-0", TLS: TLSMesh},
			{Name: "door-lab", Address: "lab:9999", TLS: TLSDisabled},
			{Name: "door-zeek", Address: "zeek:9999", TLS: TLSAnonymous},
		},
	}
}

func TestWebSocketCanonical(t *testing.T) {
	const head = `{"version":1,"namespace":"default","node":"door","pod":"door-0","webSocketPort":9997`
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"everything": {func(*Config) {},
			head + `,"tls":"Anonymous","webSocket":{"dialect":"Zeek","allowedOrigins":["*","*.example.org"],"clientCertificates":"None",` +
				`"clients":[{"name":"a","tokenSHA256":"` + digits + `","publish":["","y"],"subscribe":["x"]},{"name":"b","certificate":"brokermesh://default/client"}],` +
				`"others":{"subscribe":["public/"]},"limits":{"messageBytes":1048576,"subscriptions":1,"connections":2,"connectionsPerAddress":1,"messagesPerSecond":3,"bytesPerSecond":1073741824,` +
				`"queueMessages":4,"overflow":"DropOldest"}},"peers":[{"name":"door-core","address":"core:9999","node":"core","pod":"core-0","tls":"Mesh"},` +
				`{"name":"door-lab","address":"lab:9999","tls":"Disabled"},{"name":"door-zeek","address":"zeek:9999"}]}`},
		"defaults": {func(c *Config) {
			c.TLS, c.WebSocket = "", &WebSocket{Dialect: DialectAuto, ClientCertificates: CertificatesRequired, Clients: []Client{}, Limits: &Limits{Overflow: OverflowDisconnect}}
			c.Peers = c.Peers[:1]
		}, head + `,"peers":[{"name":"door-core","address":"core:9999","node":"core","pod":"core-0"}]}`},
		"nothing for others": {func(c *Config) { c.TLS, c.Peers, c.WebSocket = "", nil, &WebSocket{Others: &Rights{}} }, head + `,"webSocket":{"others":{}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			c := door()
			test.change(&c)
			before := c
			if got := string(c.Canonical()); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if err := c.Validate(); err != nil {
				t.Error(err)
			}
			got, err := Parse(c.Canonical())
			if err != nil || got.Hash() != c.Hash() || c.WithDefaults().Hash() != c.Hash() {
				t.Errorf("parsed again: %+v, %v", got, err)
			}
			if !reflect.DeepEqual(c, before) {
				t.Errorf("the original has changed: %+v", c)
			}
		})
	}
	if c := door(); !reflect.DeepEqual(c.WithDefaults().WebSocket.Clients[1], c.WebSocket.Clients[0]) || !reflect.DeepEqual(c, door()) {
		t.Error("the defaults changed the original")
	}
}

func TestWebSocketHash(t *testing.T) {
	base := door()
	for name, change := range map[string]func(*Config){
		"dialect":      func(c *Config) { c.WebSocket.Dialect = DialectBroker },
		"origins":      func(c *Config) { c.WebSocket.AllowedOrigins = nil },
		"certificates": func(c *Config) { c.WebSocket.ClientCertificates = "" },
		"token":        func(c *Config) { c.WebSocket.Clients[1].TokenSHA256 = strings.Repeat("0", 64) },
		"publish":      func(c *Config) { c.WebSocket.Clients[1].Publish = nil },
		"others":       func(c *Config) { c.WebSocket.Others = nil },
		"limits":       func(c *Config) { c.WebSocket.Limits.QueueMessages = 5 },
		"tls":          func(c *Config) { c.TLS = TLSMesh },
		"dialing":      func(c *Config) { c.Peers[0].TLS = "" },
	} {
		c := door()
		change(&c)
		if c.Hash() == base.Hash() {
			t.Errorf("%s: the same hash", name)
		}
	}
}

func TestDials(t *testing.T) {
	for _, test := range [][3]string{
		{"", "", TLSMesh}, {TLSAnonymous, "", TLSAnonymous}, {TLSAnonymous, TLSMesh, TLSMesh}, {"", TLSDisabled, TLSDisabled},
	} {
		if got := (Config{TLS: test[0]}).Dials(Peer{TLS: test[1]}); got != test[2] {
			t.Errorf("%q: %s", test, got)
		}
	}
}

// TestFeatures: what an older node reads needs no feature, however it is written.
func TestFeatures(t *testing.T) {
	old := sample()
	old.WebSocketPort, old.WebSocket, old.Peers[0].TLS = 1, &WebSocket{Dialect: DialectAuto}, TLSMesh
	all := door()
	all.Queues = &Queues{PeerMessages: 1, FlowControl: FlowControlIgnore}
	all.Accept = []Accept{{Node: "a", Queues: PeerQueues{PeerMessages: 1}}}
	all.Stores = []Store{{Role: RoleMaster, HistoryBytes: 1 << 20, Epoch: 2, ExpirySeconds: 60, Remove: true, BackupSchedule: "@daily", RestoreClaim: "c"}}
	for name, test := range map[string]struct {
		c    Config
		want []string
	}{
		"first step": {old, nil},
		"all":        {all, KnownFeatures()},
		"dialed":     {Config{Peers: []Peer{{TLS: TLSAnonymous}}}, []string{FeatureAnonymousTLS, FeaturePeerTLS}},
		"flow":       {Config{Queues: &Queues{FlowControl: FlowControlIgnore}}, []string{FeatureFlowControl, FeatureQueues}},
		"clients":    {Config{WebSocket: &WebSocket{Others: &Rights{}}}, []string{FeatureWebSocket}},
	} {
		if got := test.c.Features(); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := door().Missing([]string{FeaturePeerTLS, "Other"}); !slices.Equal(got, []string{FeatureAnonymousTLS, FeatureConnectionsPerAddress, FeatureWebSocket}) {
		t.Errorf("missing: %v", got)
	}
}

// TestOldDocument is one of the first step, with all that it could say.
func TestOldDocument(t *testing.T) {
	const doc = `{"version":1,"revision":3,"namespace":"n","node":"a","pod":"a-0","listenPort":1,"webSocketPort":2,"tls":"Disabled","forward":"All","logLevel":"Warn",` +
		`"subscriptions":["x"],"peers":[{"name":"p","address":"b:1","node":"b","pod":"b-0","retrySeconds":1}],` +
		`"stores":[{"object":"s","storeName":"t","role":"Master","backend":"SQLite","synchronous":"Off","journalMode":"WAL"},{"object":"u","storeName":"u","role":"Clone","staleAfterSeconds":1}]}`
	c, err := Parse([]byte(doc))
	if err != nil || string(c.Canonical()) != doc || c.Features() != nil {
		t.Errorf("%v, %s, features %v", err, c.Canonical(), c.Features())
	}
	if c.Hash() != "3f99aafb93956ac8b5cd6cbce8bd8a62" { // what a node of that time reports for it
		t.Errorf("hash %s", c.Hash())
	}
}

func TestWebSocketRefused(t *testing.T) {
	for _, test := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.WebSocketPort = 0 }, "webSocket: set: allowed: only with webSocketPort"},
		{func(c *Config) { c.WebSocket.Dialect = "zeek" }, `webSocket.dialect: "zeek": allowed: Auto, Broker, Zeek`},
		{func(c *Config) { c.WebSocket.ClientCertificates = "Yes" }, `"Yes": allowed: Required, Optional, None`},
		{func(c *Config) { c.WebSocket.AllowedOrigins = []string{"[a"} }, `webSocket.allowedOrigins[0]: "[a": allowed: a pattern`},
		{func(c *Config) { c.WebSocket.AllowedOrigins = make([]string, 33) }, "webSocket.allowedOrigins: 33: allowed: at most 32"},
		{func(c *Config) { c.WebSocket.Clients = make([]Client, 101) }, "webSocket.clients: 101: allowed: at most 100"},
		{func(c *Config) { c.WebSocket.Clients[0].Name = "B" }, `webSocket.clients[0].name: "B": allowed: ^[a-z0-9]`},
		{func(c *Config) { c.WebSocket.Clients[0].Name = "a" }, `webSocket.clients[1].name: "a": allowed: each client once`},
		{func(c *Config) { c.WebSocket.Clients[0].Certificate = "" }, "webSocket.clients[0]: neither tokenSHA256 nor certificate: allowed: one of them, or both"},
		{func(c *Config) { c.WebSocket.Clients[0].Certificate = "x y" }, `certificate: "x y": allowed: a URI`},
		{func(c *Config) { c.WebSocket.Clients[1].Certificate = c.WebSocket.Clients[0].Certificate }, "allowed: each certificate once"},
		{func(c *Config) { c.WebSocket.Clients[1].TokenSHA256 = "open sesame" }, "webSocket.clients[1].tokenSHA256: 11 characters: allowed: 64 digits of 0-9 and a-f"},
		{func(c *Config) { c.WebSocket.Clients[0].TokenSHA256 = digits }, "webSocket.clients[1].tokenSHA256: found twice: allowed: each token once"},
		{func(c *Config) { c.WebSocket.Clients[1].Publish = make([]string, 65) }, "webSocket.clients[1].publish: 65: allowed: at most 64"},
		{func(c *Config) { c.WebSocket.Others.Subscribe[0] = "\xff" }, "webSocket.others.subscribe[0]"},
		{func(c *Config) { c.WebSocket.Limits.MessageBytes = 10 }, "webSocket.limits.messageBytes: 10: allowed: 0, or 1024 to 67108864"},
		{func(c *Config) { c.WebSocket.Limits.Connections = -1 }, "webSocket.limits.connections: -1: allowed: 0, or 1 to 1000000"},
		{func(c *Config) { c.WebSocket.Limits.Overflow = "Wait" }, `"Wait": allowed: Disconnect, DropOldest, DropNewest`},
	} {
		c := door()
		test.change(&c)
		err := c.Validate()
		if problems := (Problems)(nil); !errors.As(err, &problems) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
	const head = `{"version":1,"namespace":"n","node":"a","pod":"a-0","webSocketPort":1,"webSocket":`
	for doc, want := range map[string]string{
		`{"client":[]}}`:               "webSocket.client: unknown field, allowed: dialect, allowedOrigins",
		`{"clients":[{"token":"x"}]}}`: "webSocket.clients[0].token: unknown field, allowed: name, tokenSHA256",
		`{"others":{"x":1}}}`:          "webSocket.others.x: unknown field, allowed: publish, subscribe",
		`{"limits":{"x":1}}}`:          "webSocket.limits.x: unknown field, allowed: messageBytes",
		`{"limits":1}}`:                "webSocket.limits: found number, allowed: an object",
		`7}`:                           "webSocket: found number, allowed: an object",
		`{"clients":[{"publish":1}]}}`: "publish: found number, allowed: a list",
	} {
		if _, err := Parse([]byte(head + doc)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", doc, err)
		}
	}
}
