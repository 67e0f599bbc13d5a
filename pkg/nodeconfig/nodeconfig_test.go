// SPDX-License-Identifier: Apache-2.0

package nodeconfig

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
)

func sample() Config {
	return Config{
		Version: Version, Namespace: "default", Node: "worker-1", Pod: "worker-1-0",
		Subscriptions: []string{"zeek/"},
		Peers:         []Peer{{Name: "worker-1-manager", Address: "manager-0.manager-pods.default.svc:9999", Node: "manager", Pod: "manager-0"}},
		Stores:        []Store{{Object: "known-hosts", StoreName: "zeek/known/hosts", Role: RoleClone, StaleAfterSeconds: 30}},
	}
}

func TestCanonical(t *testing.T) {
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"smallest": {
			func(c *Config) { c.Subscriptions, c.Peers, c.Stores = nil, nil, nil },
			`{"version":1,"namespace":"default","node":"worker-1","pod":"worker-1-0"}`,
		},
		"lists sorted, prefixes once": {
			func(c *Config) {
				c.Subscriptions = []string{"b", "<a>", "b"}
				c.Peers = []Peer{{Name: "y", Address: "y:1"}, {Name: "x", Address: "x:1"}}
				c.Stores = []Store{{Object: "s", StoreName: "s", Role: RoleMaster}, {Object: "r", StoreName: "r", Role: RoleClone}}
			},
			`{"version":1,"namespace":"default","node":"worker-1","pod":"worker-1-0","subscriptions":["<a>","b"],` +
				`"peers":[{"name":"x","address":"x:1"},{"name":"y","address":"y:1"}],` +
				`"stores":[{"object":"r","storeName":"r","role":"Clone"},{"object":"s","storeName":"s","role":"Master"}]}`,
		},
		"defaults left out": {
			func(c *Config) {
				c.Subscriptions = nil
				c.ListenPort, c.TLS, c.Forward, c.LogLevel = 9999, "Mesh", "Mesh", "Info"
				c.Peers[0].RetrySeconds = 10
				c.Stores = []Store{{Object: "s", StoreName: "s", Role: RoleMaster, Backend: "SQLite", Synchronous: "Full", JournalMode: "Delete",
					FailureMode: "Fail", EntryBytes: 32 << 20, HistoryBytes: 64 << 20},
					{Object: "r", StoreName: "r", Role: RoleMaster, Backend: "Pebble", Synchronous: "Full", CacheBytes: 32 << 20},
					{Object: "t", StoreName: "t", Role: RoleClone, StaleReads: "Refuse", WriteQueueBytes: 16 << 20},
					{Object: "u", StoreName: "u", Role: RoleClone, StaleReads: "Serve"}}
			},
			`{"version":1,"namespace":"default","node":"worker-1","pod":"worker-1-0",` +
				`"peers":[{"name":"worker-1-manager","address":"manager-0.manager-pods.default.svc:9999","node":"manager","pod":"manager-0"}],` +
				`"stores":[{"object":"r","storeName":"r","role":"Master","backend":"Pebble"},{"object":"s","storeName":"s","role":"Master","backend":"SQLite"},{"object":"t","storeName":"t","role":"Clone"},` +
				`{"object":"u","storeName":"u","role":"Clone","staleReads":"Serve"}]}`,
		},
		"revision kept": {
			func(c *Config) { c.Revision, c.Subscriptions, c.Peers, c.Stores = 7, nil, nil, nil },
			`{"version":1,"revision":7,"namespace":"default","node":"worker-1","pod":"worker-1-0"}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := sample()
			test.change(&c)
			if got := string(c.Canonical()); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestHash(t *testing.T) {
	base := sample()
	same := map[string]func(*Config){
		"revision": func(c *Config) { c.Revision = 9 },
		"defaults": func(c *Config) { *c = c.WithDefaults() },
		"order": func(c *Config) {
			c.Peers = append([]Peer{{Name: "a", Address: "a:1"}}, c.Peers...)
			base.Peers = append(base.Peers, Peer{Name: "a", Address: "a:1"})
		},
	}
	for name, change := range same {
		c := sample()
		base = sample()
		change(&c)
		if c.Hash() != base.Hash() {
			t.Errorf("%s: the hash differs", name)
		}
	}
	base = sample()
	for name, change := range map[string]func(*Config){
		"port":         func(c *Config) { c.ListenPort = 1 },
		"websocket":    func(c *Config) { c.WebSocketPort = 9997 },
		"address":      func(c *Config) { c.Peers[0].Address = "x:1" },
		"stale":        func(c *Config) { c.Stores[0].StaleAfterSeconds = 31 },
		"tls":          func(c *Config) { c.TLS = TLSDisabled },
		"subscription": func(c *Config) { c.Subscriptions = nil },
	} {
		c := sample()
		change(&c)
		if c.Hash() == base.Hash() {
			t.Errorf("%s: the hash is the same", name)
		}
	}
	if n := len(base.Hash()); n < 16 {
		t.Errorf("the hash has %d characters", n)
	}
}

func TestWithDefaultsLeavesTheOriginalAlone(t *testing.T) {
	c := sample()
	d := c.WithDefaults()
	if !reflect.DeepEqual(c, sample()) {
		t.Error("the original has changed")
	}
	if d.ListenPort != 9999 || d.TLS != TLSMesh || d.Forward != ForwardMesh || d.LogLevel != LogInfo || d.Peers[0].RetrySeconds != 10 {
		t.Errorf("defaults missing: %+v", d)
	}
}

func TestParse(t *testing.T) {
	c := sample()
	got, err := Parse(c.Canonical())
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestParseRefuses(t *testing.T) {
	const head = `{"version":1,"namespace":"default","node":"a","pod":"a-0"`
	for _, test := range []struct{ doc, want string }{
		{``, "no JSON"},
		{`[]`, "found array, allowed: an object"},
		{`{"version":1} x`, "no JSON at byte 15"},
		{`{}`, "version: not set, allowed: 1"},
		{`{"version":2,"future":true}`, "version: found 2, allowed: 1"},
		{head + `,"verison":1}`, "verison: unknown field, allowed: version, revision"},
		{head + `,"Peers":[]}`, "Peers: unknown field"},
		{head + `,"peers":[{"name":"x","address":"x:1","port":3}]}`, "peers[0].port: unknown field, allowed: name, address"},
		{head + `,"node":"a"}`, "node: found twice, allowed: once"},
		{head + `,"listenPort":"9"}`, "listenPort: found string, allowed: a whole number"},
		{head + `,"listenPort":1.5}`, "listenPort: found number 1.5, allowed: a whole number"},
		{head + `,"peers":{}}`, "peers: found object, allowed: a list"},
		{head + `,"tls":1}`, "tls: found number, allowed: a string"},
		{head + `,"logLevel":"Loud"}`, `logLevel: "Loud": allowed: Debug, Info, Warn, Error`},
		{head + ",\"tls\":\"\xff\"}", "not UTF-8"},
		{strings.Repeat(" ", MaxSize) + head + "}", "allowed: at most 1048576"},
	} {
		_, err := Parse([]byte(test.doc))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.60s: got %v, want %q", test.doc, err, test.want)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	many := make([]string, MaxSubscriptions+1)
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"version":       {func(c *Config) { c.Version = 3 }, "version: 3: allowed: 1"},
		"revision":      {func(c *Config) { c.Revision = -1 }, "revision: -1: allowed: 0 or more"},
		"namespace":     {func(c *Config) { c.Namespace = "A" }, `namespace: "A": allowed: ^[a-z0-9]`},
		"node":          {func(c *Config) { c.Node = strings.Repeat("a", 41) }, "at most 40 characters"},
		"pod":           {func(c *Config) { c.Pod = "other-0" }, `pod: "other-0": allowed: "worker-1-" and a number from 0 to 99`},
		"pod number":    {func(c *Config) { c.Pod = "worker-1-100" }, "0 to 99"},
		"pod zeros":     {func(c *Config) { c.Pod = "worker-1-00" }, "0 to 99"},
		"port":          {func(c *Config) { c.ListenPort = 65536 }, "listenPort: 65536: allowed: 0 to 65535"},
		"control port":  {func(c *Config) { c.ListenPort = 9990 }, "listenPort: 9990: allowed: 0 to 65535, except 9990 and 9991"},
		"same port":     {func(c *Config) { c.WebSocketPort = 9999 }, "webSocketPort: 9999: allowed: another port"},
		"tls":           {func(c *Config) { c.TLS = "off" }, `tls: "off": allowed: Mesh, Disabled, Anonymous`},
		"forward":       {func(c *Config) { c.Forward = "x" }, `forward: "x": allowed: Mesh, None, All`},
		"subscriptions": {func(c *Config) { c.Subscriptions = many }, "subscriptions: 257: allowed: at most 256"},
		"subscription":  {func(c *Config) { c.Subscriptions = []string{strings.Repeat("a", 4097)} }, "subscriptions[0]: 4097 bytes: allowed: at most 4096 bytes"},
		"peer name":     {func(c *Config) { c.Peers[0].Name = "" }, `peers[0].name: "": allowed`},
		"peer address":  {func(c *Config) { c.Peers[0].Address = "host" }, `peers[0].address: "host": allowed: HOST:PORT`},
		"peer node":     {func(c *Config) { c.Peers[0].Node = "" }, `peers[0].node: "": allowed`},
		"peer pod":      {func(c *Config) { c.Peers[0].Pod = "x" }, `peers[0].pod: "x": allowed: "manager-"`},
		"retry":         {func(c *Config) { c.Peers[0].RetrySeconds = math.NaN() }, "peers[0].retrySeconds: NaN: allowed: 0 to 86400"},
		"peer tls":      {func(c *Config) { c.Peers[0].TLS = "mesh" }, `peers[0].tls: "mesh": allowed: Mesh, Disabled, Anonymous`},
		"address twice": {func(c *Config) { c.Peers = append(c.Peers, Peer{Name: "z", Address: c.Peers[0].Address}) }, "peers[1].address"},
		"peering twice": {func(c *Config) {
			c.Peers = []Peer{{Name: "z", Address: "a:1", Node: "a", Pod: "a-0"}, {Name: "z", Address: "b:1", Node: "a", Pod: "a-0"}}
		}, "peers[1].name"},
		"object":          {func(c *Config) { c.Stores[0].Object = "_" }, "stores[0].object"},
		"store name":      {func(c *Config) { c.Stores[0].StoreName = "" }, `stores[0].storeName: "": allowed: not empty`},
		"reserved name":   {func(c *Config) { c.Stores[0].StoreName = "a/<$>/b" }, `allowed: a name without "<$>"`},
		"stores twice":    {func(c *Config) { c.Stores = append(c.Stores, c.Stores[0]) }, "stores[1].storeName"},
		"role":            {func(c *Config) { c.Stores[0].Role = "" }, `stores[0].role: "": allowed: Master, Clone`},
		"clone's backend": {func(c *Config) { c.Stores[0].Backend = "Memory" }, "only with the role Master"},
		"stale":           {func(c *Config) { c.Stores[0].StaleAfterSeconds = -1 }, "stores[0].staleAfterSeconds: -1: allowed: 0 to 1e+09"},
		"stale master":    {func(c *Config) { c.Stores[0].Role = RoleMaster }, "stores[0].staleAfterSeconds: 30: allowed: only with the role Clone"},
		"sqlite of memory": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, JournalMode: "WAL"}
		}, "stores[0].journalMode: \"WAL\": allowed: only with the backend SQLite"},
		"synchronous": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, Backend: "SQLite", Synchronous: "Yes"}
		}, `"Yes": allowed: Off, Normal, Full, Extra`},
		"failure mode": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, Backend: "SQLite", FailureMode: "delete"}
		}, `stores[0].failureMode: "delete": allowed: Fail, Delete`},
		"integrity check of Pebble": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, Backend: "Pebble", IntegrityCheck: true}
		}, "stores[0].integrityCheck: true: allowed: only with the backend SQLite"},
		"memory of Pebble": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, Backend: "Pebble", MemoryBytes: 1 << 20}
		}, "stores[0].memoryBytes: 1048576: allowed: only with the backend Memory"},
		"synchronous of Pebble": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, Backend: "Pebble", Synchronous: "Normal"}
		}, `stores[0].synchronous: "Normal": allowed: Off, Full`},
		"cache of SQLite": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, Backend: "SQLite", CacheBytes: 1 << 20}
		}, "stores[0].cacheBytes: 1048576: allowed: only with the backend Pebble"},
		"little memory": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, MemoryBytes: 1}
		}, "stores[0].memoryBytes: 1: allowed: 0, or 65536 to"},
		"large entries": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, EntryBytes: 1 << 30}
		}, "stores[0].entryBytes: 1073741824: allowed: 0, or 1024 to 67108864"},
		"clone's history": {func(c *Config) { c.Stores[0].HistoryBytes = 1 << 20 }, "stores[0].historyBytes: 1048576: allowed: only with the role Master"},
		"stale reads":     {func(c *Config) { c.Stores[0].StaleReads = "refuse" }, `stores[0].staleReads: "refuse": allowed: Refuse, Serve`},
		"master's writes": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, WriteQueueBytes: 1 << 20}
		}, "stores[0].writeQueueBytes: 1048576: allowed: only with the role Clone"},
		"promote at once": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, Promote: true}
		}, "stores[0].promote: true: allowed: only with epoch"},
		"strand at once": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, StrandForeignClones: true}
		}, "stores[0].strandForeignClones: true: allowed: only with epoch"},
		"clone's epoch":  {func(c *Config) { c.Stores[0].Epoch = 2 }, "stores[0].epoch: 2: allowed: only with the role Master"},
		"clone's backup": {func(c *Config) { c.Stores[0].BackupSchedule = "@daily" }, "stores[0].backupSchedule: \"@daily\": allowed: only with the role Master"},
		"backup, no schedule": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, BackupKeep: 1}
		}, "stores[0].backupKeep: 1: allowed: only with backupSchedule"},
		"backup, none kept": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, BackupSchedule: "@daily", BackupClaim: "c"}
		}, "stores[0].backupKeep: 0: allowed: 1 to 1000"},
		"backup, no name": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, BackupSchedule: "@daily", BackupClaim: "../c", BackupKeep: 1}
		}, "stores[0].backupClaim: \"../c\": allowed: "},
		"clone's restore": {func(c *Config) { c.Stores[0].RestoreClaim = "c" }, "stores[0].restoreClaim: \"c\": allowed: only with the role Master"},
		"restore from nowhere": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, RestoreFile: "20260301T030000Z.jsonl.gz"}
		}, "stores[0].restoreFile: \"20260301T030000Z.jsonl.gz\": allowed: only with restoreClaim"},
		"restore of no store": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, RestoreClaim: "c"}
		}, "stores[0].restoreStore: \"\": allowed: "},
		"restore of any file": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, RestoreClaim: "c", RestoreStore: "s", RestoreFile: "../x"}
		}, "stores[0].restoreFile: \"../x\": allowed: "},
		"clone's removal": {func(c *Config) { c.Stores[0].Remove = true }, "stores[0].remove: true: allowed: only with the role Master"},
		"clone's expiry":  {func(c *Config) { c.Stores[0].ExpirySeconds = 2 }, "stores[0].expirySeconds: 2: allowed: only with the role Master"},
		"long expiry": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, ExpirySeconds: 1e9}
		}, "stores[0].expirySeconds: 1e+09: allowed: 0 to 3.1536e+08"},
		"clone's lease": {func(c *Config) { c.Stores[0].LeaseSeconds = 2 }, "stores[0].leaseSeconds: 2: allowed: only with the role Master"},
		"late epoch": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, Epoch: 1 << 63}
		}, "stores[0].epoch: 9223372036854775808: allowed: at most 4611686018427387904"},
		"long lease": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, LeaseSeconds: 3601}
		}, "stores[0].leaseSeconds: 3601: allowed: 0, or 1 to 3600"},
		"endless lease": {func(c *Config) {
			c.Stores[0] = Store{Object: "s", StoreName: "s", Role: RoleMaster, LeaseSeconds: math.NaN()}
		}, "stores[0].leaseSeconds: NaN"},
		"many at once": {func(c *Config) { c.Stores = make([]Store, 4) }, "; and "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := sample()
			test.change(&c)
			err := c.Validate()
			var problems Problems
			if !errors.As(err, &problems) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	if err := sample().Validate(); err != nil {
		t.Errorf("the sample itself: %v", err)
	}
}

func TestValidAddress(t *testing.T) {
	for address, want := range map[string]bool{
		"a:1": true, "zeek.example.org:9999": true, "127.0.0.1:65535": true, "[::1]:9": true, "my_host:7": true, "host.:80": true,
		"a": false, "a:0": false, "a:65536": false, ":1": false, "a b:1": false, "[::x]:1": false, "a:01": false, "a:-1": false, "a:http": false, "": false,
		strings.Repeat("a", 256) + ":1": false,
	} {
		if got := ValidAddress(address); got != want {
			t.Errorf("%q: got %v", address, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample().Canonical())
	full := sample().WithDefaults()
	f.Add(full.Canonical())
	f.Add([]byte(`{"version":1,"namespace":"n","node":"a","pod":"a-0","stores":[{"object":"s","storeName":"s","role":"Master","backend":"SQLite","journalMode":"WAL"}]}`))
	f.Add([]byte(`{"version":1,"namespace":"n","node":"a","pod":"a-0","stores":[{"object":"s","storeName":"s","role":"Master","epoch":2,"promote":true,"leaseSeconds":7.5}]}`))
	f.Add([]byte(`{"version":1,"peers":[[[[]]]]}`))
	f.Add([]byte(`{"version":1,"namespace":"n","node":"a","pod":"a-0","accept":[{"name":"p","node":"z","subject":"CN=z","source":"::1","queues":{"peerMessages":3}}]}`))
	f.Add(door().Canonical())
	f.Add([]byte(`{"version":1e0}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b)
		if err != nil {
			if len(err.Error()) > 4096 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		again, err := Parse(c.Canonical())
		if err != nil {
			t.Fatalf("canonical form refused: %v", err)
		}
		if !bytes.Equal(again.Canonical(), c.Canonical()) || again.Hash() != c.Hash() {
			t.Fatal("the canonical form isn't stable")
		}
		if d := c.WithDefaults(); d.Hash() != c.Hash() {
			t.Fatal("defaults change the hash")
		}
	})
}

func ExampleConfig_Validate() {
	c := Config{Version: 1, Namespace: "default", Node: "manager", Pod: "manager-0", TLS: "Off"}
	fmt.Println(c.Validate())
	// Output: tls: "Off": allowed: Mesh, Disabled, Anonymous
}
