// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"strings"
	"testing"
)

func TestStore(t *testing.T) {
	const count = 500
	for _, o := range []StoreOptions{
		{Backend: "memory", Sync: "full"}, {Backend: "sqlite", Sync: "full"}, {Backend: "sqlite", Sync: "normal"}, {Backend: "sqlite", Sync: "off"},
		{Backend: "pebble", Sync: "full"},
	} {
		o.Dir, o.Count, o.Writers = t.TempDir(), count, 16
		r, err := Store(t.Context(), o)
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		plausible(t, o.Backend, r.Result, count)
		if r.Backend != o.Backend || r.Writers != 16 || r.Get <= 0 || r.FirstGet <= 0 || (r.Sync == "") != (o.Backend == "memory") {
			t.Errorf("%+v gives %+v", o, r)
		}
		if o.Backend == "memory" {
			continue
		}
		if _, err := Store(t.Context(), o); err == nil || !strings.Contains(err.Error(), "there already") {
			t.Errorf("%s: into what was there: %v", o.Backend, err)
		}
	}
}

func TestStoreOptions(t *testing.T) {
	for want, o := range map[string]StoreOptions{
		`backend "rocks"`:  {Backend: "rocks", Sync: "full", Dir: "x"},
		`sync "extra"`:     {Backend: "sqlite", Sync: "extra", Dir: "x"},
		"always syncs":     {Backend: "pebble", Sync: "off", Dir: "x"},
		"needs a folder":   {Backend: "sqlite", Sync: "off"},
		"open the backend": {Backend: "sqlite", Sync: "off", Dir: "/dev/null"},
	} {
		if _, err := Store(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}

func TestMasterAndClone(t *testing.T) {
	const count = 2000
	for name, syncOnly := range map[string]bool{"copy": true, "copy and follow": false} {
		t.Run(name, func(t *testing.T) {
			master := begin(t, listen(), func(ctx context.Context, l Link) (MasterResult, error) {
				return Master(ctx, MasterOptions{l, count, 16})
			})
			clone := begin(t, dial(master.at()), func(ctx context.Context, l Link) (CloneResult, error) { return Clone(ctx, CloneOptions{l, syncOnly}) })
			c, m := clone.end(), master.end()
			plausible(t, "clone", c.Result, count)
			if c.SyncSeconds <= 0 {
				t.Errorf("clone: %+v", c)
			}
			if syncOnly {
				if c.Entries != count || m.Messages != 0 {
					t.Errorf("clone %+v, master %+v", c, m)
				}
				return
			}
			plausible(t, "master", m.Result, count)
			if c.Entries != 2*count || m.ReplicatedPutRate <= 0 {
				t.Errorf("clone %+v, master %+v", c, m)
			}
		})
	}
}

func TestMasterOfMany(t *testing.T) {
	const count, clones = 2000, 5
	master := begin(t, listen(), func(ctx context.Context, l Link) (MasterResult, error) {
		return Master(ctx, MasterOptions{l, count, 1})
	})
	many := begin(t, dial(master.at()), func(ctx context.Context, l Link) (ClonesResult, error) {
		return Clones(ctx, ClonesOptions{l, clones})
	})
	c, m := many.end(), master.end()
	plausible(t, "clones", c.Result, count)
	plausible(t, "master", m.Result, count)
	if c.Clones != clones {
		t.Errorf("%d clones", c.Clones)
	}
}
