// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

var storeCases = append([]testCase{
	{name: "only a master", kind: "DataStore", spec: `{master: {node: a}}`},
	{name: "everything", kind: "DataStore", object: x("s", 63), spec: `{storeName: zeek/known/hosts, master: {node: a, backend: SQLite, sqlite: {synchronous: "Off", journalMode: WAL}},
		clones: [{node: b, staleAfter: 30s}, {node: c}]}`},
	{name: "SQLite by default", kind: "DataStore", spec: `{master: {node: a, backend: SQLite, sqlite: {}}}`},
	{name: "Pebble", kind: "DataStore", spec: `{master: {node: a, backend: Pebble}}`},
	{name: "no spec", kind: "DataStore", want: []string{`spec: Required value`}},
	{name: "no master", kind: "DataStore", spec: `{storeName: a}`, want: []string{`spec.master: Required value`}},
	{name: "master without a node", kind: "DataStore", spec: `{master: {}}`, want: []string{`spec.master.node: Required value`}},
	{name: "empty master", kind: "DataStore", spec: `{master: {node: ""}}`, want: []string{`spec.master.node: "": should be at least 1 chars long`}},
	{name: "master is no name", kind: "DataStore", spec: `{master: {node: 1a}}`, want: []string{`spec.master.node: "1a": should match '^[a-z]([-a-z0-9]*[a-z0-9])?$'`}},
	{name: "master too long", kind: "DataStore", spec: `{master: {node: ` + x("a", 41) + `}}`, want: []string{`spec.master.node: Too long: may not be more than 40 bytes`}},
	{name: "name of 64", kind: "DataStore", object: x("s", 64), spec: `{master: {node: a}}`, want: []string{`metadata: name "` + x("s", 64) + `": allowed: at most 63 characters`}},
	{name: "another backend", kind: "DataStore", spec: `{master: {node: a, backend: Rocks}}`, want: []string{`spec.master.backend: "Rocks": allowed: Memory, SQLite, Pebble`}},
	{name: "sqlite with Memory", kind: "DataStore", spec: `{master: {node: a, backend: Memory, sqlite: {}}}`,
		want: []string{`spec.master.sqlite: set with backend "Memory"; allowed: with backend SQLite only`}},
	{name: "sqlite with Pebble", kind: "DataStore", spec: `{master: {node: a, backend: Pebble, sqlite: {}}}`,
		want: []string{`spec.master.sqlite: set with backend "Pebble"; allowed: with backend SQLite only`}},
	{name: "sqlite without a backend", kind: "DataStore", spec: `{master: {node: a, sqlite: {}}}`,
		want: []string{`spec.master.sqlite: set with backend "Memory"; allowed: with backend SQLite only`}},
	{name: "every option of SQLite", kind: "DataStore", spec: `{master: {node: a, backend: SQLite, entrySize: 1Mi, historySize: 1Gi,
		sqlite: {integrityCheck: true, failureMode: Delete}}, clones: [{node: b, staleAfter: 5s, staleReads: Serve, writeQueueSize: 1Mi}]}`},
	{name: "every option of Pebble", kind: "DataStore", spec: `{master: {node: a, backend: Pebble, pebble: {synchronous: "Off", cacheSize: 1Gi}}}`},
	{name: "pebble with SQLite", kind: "DataStore", spec: `{master: {node: a, backend: SQLite, pebble: {}}}`,
		want: []string{`spec.master.pebble: set with backend "SQLite"; allowed: with backend Pebble only`}},
	{name: "synchronous of Pebble", kind: "DataStore", spec: `{master: {node: a, backend: Pebble, pebble: {synchronous: Normal}}}`,
		want: []string{`spec.master.pebble.synchronous: "Normal": allowed: Off, Full`}},
	{name: "memory with a bound", kind: "DataStore", spec: `{master: {node: a, memory: {maxSize: 100Mi}}}`},
	{name: "memory with Pebble", kind: "DataStore", spec: `{master: {node: a, backend: Pebble, memory: {maxSize: 100Mi}}}`,
		want: []string{`spec.master.memory: set with backend "Pebble"; allowed: with backend Memory only`}},
	{name: "little memory", kind: "DataStore", spec: `{master: {node: a, memory: {maxSize: 1}}}`,
		want: []string{`spec.master.memory.maxSize: 1: allowed: a quantity from 64Ki to 1Ti, such as 256Mi`}},
	{name: "failover by default", kind: "DataStore", spec: `{master: {node: a, strandForeignClones: true}, failover: {}}`},
	{name: "automatic failover", kind: "DataStore", spec: `{master: {node: a}, failover: {policy: Automatic, after: 1h}}`},
	{name: "another policy", kind: "DataStore", spec: `{master: {node: a}, failover: {policy: Auto}}`,
		want: []string{`spec.failover.policy: "Auto": allowed: Manual, Automatic`}},
	{name: "failover too soon", kind: "DataStore", spec: `{master: {node: a}, failover: {after: 4s}}`,
		want: []string{`spec.failover.after: "4s": allowed: a duration from 5s to 1h, such as 30s or 5m`}},
	{name: "failover too late", kind: "DataStore", spec: `{master: {node: a}, failover: {after: 61m}}`,
		want: []string{`spec.failover.after: "61m": allowed: a duration from 5s to 1h, such as 30s or 5m`}},
	{name: "data that goes with its object", kind: "DataStore", spec: `{master: {node: a}, deletionPolicy: Delete}`},
	{name: "data that stays", kind: "DataStore", spec: `{master: {node: a}, deletionPolicy: Retain}`},
	{name: "another deletion policy", kind: "DataStore", spec: `{master: {node: a}, deletionPolicy: delete}`,
		want: []string{`spec.deletionPolicy: "delete": allowed: Retain, Delete`}},
	{name: "backup", kind: "DataStore", spec: `{master: {node: a}, backup: {schedule: "*/5 0-6 1,15 JAN MON-FRI", volumeClaim: backups.x}}`},
	{name: "daily backup", kind: "DataStore", spec: `{master: {node: a}, backup: {schedule: "@daily", keep: 1000, volumeClaim: b}}`},
	{name: "backup of nothing", kind: "DataStore", spec: `{master: {node: a}, backup: {}}`,
		want: []string{`spec.backup.schedule: Required value`, `spec.backup.volumeClaim: Required value`}},
	{name: "backup too often", kind: "DataStore", spec: `{master: {node: a}, backup: {schedule: "@every 1s", volumeClaim: b}}`,
		want: []string{`spec.backup.schedule: "@every 1s": allowed: five fields as in crontab, such as 0 3 * * *, or @hourly, @daily, @weekly, @monthly, @yearly`}},
	{name: "many backups", kind: "DataStore", spec: `{master: {node: a}, backup: {schedule: "@daily", keep: 1001, volumeClaim: b}}`,
		want: []string{`spec.backup.keep: 1001: should be less than or equal to 1000`}},
	{name: "backup to a path", kind: "DataStore", spec: `{master: {node: a}, backup: {schedule: "@daily", volumeClaim: ../b}}`,
		want: []string{`spec.backup.volumeClaim: "../b": should match '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$'`}},
	{name: "a backup to begin with", kind: "DataStore", spec: `{master: {node: a}, restoreFrom: {volumeClaim: b}}`},
	{name: "another store's backup", kind: "DataStore", spec: `{master: {node: a}, restoreFrom: {volumeClaim: b, storeName: zeek/x, file: 20260301T030000Z.jsonl.gz}}`},
	{name: "no backup to begin with", kind: "DataStore", spec: `{master: {node: a}, restoreFrom: {}}`, want: []string{`spec.restoreFrom.volumeClaim: Required value`}},
	{name: "any file to begin with", kind: "DataStore", spec: `{master: {node: a}, restoreFrom: {volumeClaim: b, file: ../x}}`,
		want: []string{`spec.restoreFrom.file: "../x": should match '^[0-9]{8}T[0-9]{6}Z[.]jsonl[.]gz$'`}},
	{name: "large entries", kind: "DataStore", spec: `{master: {node: a, entrySize: 1Gi}}`,
		want: []string{`spec.master.entrySize: "1Gi": allowed: a quantity from 1Ki to 64Mi, such as 1Mi`}},
	{name: "another failure mode", kind: "DataStore", spec: `{master: {node: a, backend: SQLite, sqlite: {failureMode: delete}}}`,
		want: []string{`spec.master.sqlite.failureMode: "delete": allowed: Fail, Delete`}},
	{name: "other stale reads", kind: "DataStore", spec: `{master: {node: a}, clones: [{node: b, staleReads: refuse}]}`,
		want: []string{`spec.clones[0].staleReads: "refuse": allowed: Refuse, Serve`}},
	{name: "synchronous without quotes", kind: "DataStore", spec: `{master: {node: a, backend: SQLite, sqlite: {synchronous: Off}}}`,
		want: []string{`spec.master.sqlite.synchronous: false: allowed: Off, Normal, Full, Extra`, `spec.master.sqlite.synchronous: must be of type string: "boolean"`}},
	{name: "synchronous Extra", kind: "DataStore", spec: `{master: {node: a, backend: SQLite, sqlite: {synchronous: Extra}}}`},
	{name: "synchronous Normal", kind: "DataStore", spec: `{master: {node: a, backend: SQLite, sqlite: {synchronous: Normal}}}`},
	{name: "another synchronous", kind: "DataStore", spec: `{master: {node: a, backend: SQLite, sqlite: {synchronous: full}}}`,
		want: []string{`spec.master.sqlite.synchronous: "full": allowed: Off, Normal, Full, Extra`}},
	{name: "journal Delete", kind: "DataStore", spec: `{master: {node: a, backend: SQLite, sqlite: {journalMode: Delete}}}`},
	{name: "another journal", kind: "DataStore", spec: `{master: {node: a, backend: SQLite, sqlite: {journalMode: Truncate}}}`,
		want: []string{`spec.master.sqlite.journalMode: "Truncate": allowed: Delete, WAL`}},

	{name: "longest store name", kind: "DataStore", spec: `{storeName: ` + x("ä", 255) + `, master: {node: a}}`},
	{name: "empty store name", kind: "DataStore", spec: `{storeName: "", master: {node: a}}`, want: []string{`spec.storeName: "": should be at least 1 chars long`}},
	{name: "store name too long", kind: "DataStore", spec: `{storeName: ` + x("a", 256) + `, master: {node: a}}`,
		want: []string{`spec.storeName: Too long: may not be more than 255 bytes`}},
	{name: "store name with a control character", kind: "DataStore", spec: `{storeName: "a\tb", master: {node: a}}`,
		want: []string{`spec.storeName: "a\tb": should match '^[^\x00-\x1f\x7f]+$'`}},
	{name: "reserved store name", kind: "DataStore", spec: `{storeName: "<$>/a", master: {node: a}}`, want: []string{`spec.storeName: "<$>/a": <$> is reserved for Broker's own topics`}},

	{name: "100 clones", kind: "DataStore", spec: `{master: {node: a}, clones: ` + list(100, "{node: n%d}") + `}`},
	{name: "101 clones", kind: "DataStore", spec: `{master: {node: a}, clones: ` + list(101, "{node: n%d}") + `}`,
		want: []string{`spec.clones: Too many: 101: must have at most 100 items`}},
	{name: "clone twice", kind: "DataStore", spec: `{master: {node: a}, clones: [{node: b}, {node: c}, {node: b}]}`, want: []string{`spec.clones: a node is named twice; allowed: each node once`}},
	{name: "clone with its master", kind: "DataStore", spec: `{master: {node: a}, clones: [{node: b}, {node: a}]}`,
		want: []string{`spec.clones: a clone on "a", which holds the master; allowed: other nodes`}},
	{name: "clone without a node", kind: "DataStore", spec: `{master: {node: a}, clones: [{}]}`, want: []string{`spec.clones[0]: neither node nor selector is set; allowed: exactly one of them`}},
	{name: "clone is no name", kind: "DataStore", spec: `{master: {node: a}, clones: [{node: b}, {node: "*"}]}`,
		want: []string{`spec.clones[1].node: "*": should match '^[a-z]([-a-z0-9]*[a-z0-9])?$'`}},
	{name: "clone too long", kind: "DataStore", spec: `{master: {node: a}, clones: [{node: ` + x("b", 41) + `}]}`,
		want: []string{`spec.clones[0].node: Too long: may not be more than 40 bytes`}},
	{name: "unknown field of a clone", kind: "DataStore", spec: `{master: {node: a}, clones: [{node: b, staleafter: 1s}]}`, want: []string{`spec.clones[0].staleafter: unknown field`}},
}, staleCases()...)

func staleCases() []testCase {
	var cases []testCase
	for _, d := range []string{"1s", "168h", "1m30s"} {
		cases = append(cases, testCase{name: "stale after " + d, kind: "DataStore", spec: `{master: {node: a}, clones: [{node: b, staleAfter: ` + d + `}]}`})
	}
	for _, d := range []string{"0s", "999ms", "169h", "-1s", "1", "never"} {
		cases = append(cases, testCase{name: "stale after " + d, kind: "DataStore", spec: `{master: {node: a}, clones: [{node: b, staleAfter: "` + d + `"}]}`,
			want: []string{`spec.clones[0].staleAfter: "` + d + `": allowed: a duration from 1s to 168h, such as 30s, 5m or 1h30m`}})
	}
	for _, d := range []string{"1s", "24h", "87600h"} {
		cases = append(cases, testCase{name: "expiry " + d, kind: "DataStore", spec: `{master: {node: a}, expiry: ` + d + `}`})
	}
	for _, d := range []string{"0s", "999ms", "87601h", "-1s", "1", "never"} {
		cases = append(cases, testCase{name: "expiry " + d, kind: "DataStore", spec: `{master: {node: a}, expiry: "` + d + `"}`,
			want: []string{`spec.expiry: "` + d + `": allowed: a duration from 1s to 87600h, such as 30m or 24h`}})
	}
	return cases
}
