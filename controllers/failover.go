// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// holder is who may be granted leases of a store, as its Lease object records it.
type holder struct {
	pod string
	// epoch of the master: the fencing token.
	epoch uint64
	// history that this epoch belongs to; empty while unknown.
	history string
}

// sighting is what a pod last said of a store.
type sighting struct {
	pod      string
	store    statusapi.Store
	received time.Time
	// barred: the pod's node can't hold a master.
	barred bool
}

// situation is everything that a decision about a leased store rests on.
type situation struct {
	plan topology.StorePlan
	// holder is the recorded one; zero if none is.
	holder holder
	// masters and clones are what pods said, of those that are to have one.
	masters, clones []sighting
	// handed is the pod that the holder is to give the store to by itself; empty if it isn't to, or was left out.
	handed string
	// silent are pods that should have a clone, can be asked, and have not answered since the question began.
	silent int
	// good is when the holder was last known to write, or when we began to look. ended is when the last lease has certainly ended: for
	// now of who is not the holder any more. asked is when the clones were asked how far they are; zero if they were not.
	good, ended, asked time.Time
	now                time.Time
}

// deed is what there is to do.
type deed uint8

const (
	// deedNothing: wait.
	deedNothing deed = iota
	// deedGrant: the recorded holder gets another lease.
	deedGrant
	// deedRecord: another holder is to be recorded, which serves already.
	deedRecord
	// deedAsk: the clones are to be asked how far they are.
	deedAsk
	// deedPromote: another holder is to be recorded, which is to become the master.
	deedPromote
)

// decision is a deed, whom it is about, and what to say to people while a failover is due.
type decision struct {
	deed   deed
	holder holder
	words  string
}

// answerTime is how long a failover waits for clones to say how far they are.
const answerTime = 5 * time.Second

// decide says what is to be done about a leased store. No two masters ever have a lease: another holder than the recorded one is recorded
// only when the old one has certainly none any more, or has given the store up to the new one by itself.
func decide(s situation) decision {
	if m, ok := s.serving(); ok {
		return decideMaster(s, m)
	}
	if s.holder.pod == "" || s.now.Sub(s.good) < s.plan.Lease {
		return decision{}
	}
	if s.plan.Promotion && s.answers(s.plan.MasterPod) {
		return decision{} // it is about it; the evidence says what it waits for
	}
	return s.promote(decision{})
}

// serving is the master that may write, if it had a lease: the latest one that serves, in the holder's history.
func (s situation) serving() (sighting, bool) {
	var found sighting
	for _, m := range s.masters {
		if m.store.State == statusapi.StoreServing && m.store.Leased && m.store.Epoch > found.store.Epoch {
			found = m
		}
	}
	anew := s.holder.history != "" && found.store.History != s.holder.history
	return found, found.pod != "" && (anew || found.store.Epoch >= s.holder.epoch)
}

// decideMaster is about a master that serves.
func decideMaster(s situation, m sighting) decision {
	next := holder{m.pod, m.store.Epoch, m.store.History}
	switch {
	case next == s.holder:
		return decideHolder(s, next)
	case s.holder.pod == "":
		return decision{deed: deedRecord, holder: next}
	case next.history != s.holder.history && s.holder.history != "":
		// It began anew, with nothing. Who has what it had goes first.
		if s.now.Sub(s.good) < s.plan.Lease {
			return decision{}
		}
		return s.promote(decision{deed: deedRecord, holder: next})
	case next.epoch == s.holder.epoch && next.pod != s.holder.pod:
		return decision{} // not by any way that we know of
	case next.pod != s.holder.pod && next.pod != s.handed && s.now.Before(s.ended):
		return decision{} // nobody has asked the old one, which may have a lease
	}
	return decision{deed: deedRecord, holder: next}
}

// decideHolder is about the holder as it is recorded. One that can't be granted a lease for long enough is as good as gone.
func decideHolder(s situation, h holder) decision {
	if s.now.Sub(s.good) < s.plan.Lease {
		return decision{deed: deedGrant, holder: h}
	}
	d := s.promote(decision{deed: deedGrant, holder: h})
	if d.deed == deedNothing || d.deed == deedAsk {
		d.words += "; it is offered leases all the same"
	}
	return d
}

// promote finds the clone that is furthest ahead, when the old master has certainly no lease any more. otherwise is what to do if there is
// none.
func (s situation) promote(otherwise decision) decision {
	if s.now.Before(s.ended) {
		return decision{words: "a clone takes over as soon as the last lease has ended"}
	}
	if s.asked.IsZero() || s.silent > 0 && s.now.Sub(s.asked) < answerTime {
		return decision{deed: deedAsk, words: "the clones are asked how far they are"}
	}
	best, epoch := s.best()
	if best.pod == "" {
		if otherwise.deed == deedNothing {
			otherwise.words = "no clone that has the store answers"
		}
		return otherwise
	}
	return decision{deed: deedPromote, holder: holder{best.pod, epoch + 1, best.store.History}, words: best.pod + " takes over"}
}

// best is the clone that is furthest ahead, and the latest epoch that anybody has.
func (s situation) best() (best sighting, epoch uint64) {
	epoch = max(s.holder.epoch, uint64(max(s.plan.Epoch, 0)))
	for _, c := range slices.Concat(s.clones, s.masters) {
		epoch = max(epoch, c.store.Epoch)
	}
	for _, c := range s.clones {
		if c.barred || c.store.Epoch == 0 || c.received.Before(s.asked) || s.holder.history != "" && c.store.History != s.holder.history {
			continue
		}
		if best.pod == "" || cmp.Or(cmp.Compare(c.store.Epoch, best.store.Epoch), cmp.Compare(c.store.Sequence, best.store.Sequence),
			strings.Compare(best.pod, c.pod)) > 0 {
			best = c
		}
	}
	return best, epoch
}

// answers tells whether a pod that is to have the master has answered lately.
func (s situation) answers(pod string) bool {
	return slices.ContainsFunc(s.masters, func(m sighting) bool { return m.pod == pod && s.now.Sub(m.received) < longSilence })
}
