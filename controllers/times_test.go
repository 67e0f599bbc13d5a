// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"testing"
)

// TestKeepTimes: what is still so keeps the time that is written down; what is new doesn't.
func TestKeepTimes(t *testing.T) {
	const live = `{"conditions":[{"type":"Ready","status":"True","reason":"A","lastTransitionTime":"2026-03-01T12:00:00Z"}],
		"pods":[{"name":"a-0","since":"2026-03-01T12:00:00Z"}],"clones":[{"node":"b-0","staleSince":"2026-03-01T12:00:00Z"}]}`
	for name, c := range map[string]struct{ desired, want string }{
		"the same status": {`{"conditions":[{"type":"Ready","status":"True","reason":"B","lastTransitionTime":"2026-03-01T13:00:00Z"}]}`,
			`{"conditions":[{"lastTransitionTime":"2026-03-01T12:00:00Z","reason":"B","status":"True","type":"Ready"}]}`},
		"another status": {`{"conditions":[{"type":"Ready","status":"False","lastTransitionTime":"2026-03-01T13:00:00Z"}]}`,
			`{"conditions":[{"lastTransitionTime":"2026-03-01T13:00:00Z","status":"False","type":"Ready"}]}`},
		"another condition": {`{"conditions":[{"type":"Paused","status":"True","lastTransitionTime":"2026-03-01T13:00:00Z"}]}`,
			`{"conditions":[{"lastTransitionTime":"2026-03-01T13:00:00Z","status":"True","type":"Paused"}]}`},
		"a second apart":     {`{"pods":[{"name":"a-0","since":"2026-03-01T12:00:01Z"}]}`, `{"pods":[{"name":"a-0","since":"2026-03-01T12:00:00Z"}]}`},
		"started anew":       {`{"pods":[{"name":"a-0","since":"2026-03-01T12:00:03Z"}]}`, `{"pods":[{"name":"a-0","since":"2026-03-01T12:00:03Z"}]}`},
		"another pod":        {`{"pods":[{"name":"a-1","since":"2026-03-01T12:00:01Z"}]}`, `{"pods":[{"name":"a-1","since":"2026-03-01T12:00:01Z"}]}`},
		"stale, a bit apart": {`{"clones":[{"node":"b-0","staleSince":"2026-03-01T11:59:59Z"}]}`, `{"clones":[{"node":"b-0","staleSince":"2026-03-01T12:00:00Z"}]}`},
		"no longer stale":    {`{"clones":[{"node":"b-0"}]}`, `{"clones":[{"node":"b-0"}]}`},
		"other shapes":       {`{"pods":[7],"conditions":"x"}`, `{"conditions":"x","pods":[7]}`},
	} {
		t.Run(name, func(t *testing.T) {
			var was, now map[string]any
			if json.Unmarshal([]byte(live), &was) != nil || json.Unmarshal([]byte(c.desired), &now) != nil {
				t.Fatal("bad case")
			}
			keepTimes(was, now)
			if got, err := json.Marshal(now); string(got) != c.want || err != nil {
				t.Errorf("%s, %v; want %s", got, err, c.want)
			}
		})
	}
}
