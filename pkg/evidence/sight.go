// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"time"

	"github.com/brokermesh/brokermesh/pkg/statusapi"
)

// sightKind is how much a pod's evidence is worth.
type sightKind uint8

const (
	absent  sightKind = iota // no process: that is evidence too
	awaited                  // runs, has not answered yet: says nothing, conditions stay as they are
	fresh                    // answered in time
	old                      // nothing heard for MaxAge
)

// sight is what the judge sees of one pod.
type sight struct {
	kind     sightKind
	pod      PodState
	status   *statusapi.Status // set if fresh; may be set, and only good for identities, if old
	received time.Time
	rejected string // the pod's words about the compiled config
}

// look judges the age of what is known of a pod.
func (j *judge) look(pod string) sight {
	o := j.in.Observations[pod]
	s := sight{pod: o.Pod, status: o.Status, received: o.Received, rejected: o.Rejected}
	if o.Pod != PodRunning && o.Pod != PodTerminating {
		return sight{kind: absent, pod: o.Pod}
	}
	heard, kind := o.Received, fresh
	if o.Status == nil {
		kind = awaited
		heard = j.awaitedSince(pod)
	}
	if j.in.Now.Sub(heard) >= MaxAge {
		s.kind = old
		return s
	}
	s.kind = kind
	j.checkAt(heard.Add(MaxAge))
	return s
}

// awaitedSince remembers when the first answer of a pod was first missed.
func (j *judge) awaitedSince(pod string) time.Time {
	since, known := j.in.Previous.Memo.awaited[pod]
	if !known {
		since = j.in.Now
		if j.in.Previous.Nodes == nil { // the judge's first look: it has waited since it started
			since = j.in.Started
		}
	}
	j.out.Memo.awaited[pod] = since
	return since
}

// endpointID is the pod's, as far as it is known; an old one may be gone by now.
func (s sight) endpointID() string {
	if s.status == nil {
		return ""
	}
	return s.status.EndpointID
}
