// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// seat says who holds the master of a store, and who shall.
type seat struct {
	// where the master is, by the status; before it was seen, where the spec wants it. epoch is that of the status, or of a promotion.
	where string
	epoch int64
	// target is the node that the master goes to; empty if it stays.
	target string
	// promotion: the target doesn't ask the old master.
	promotion bool
	// errand: the operator wants it there for a while.
	errand bool
}

// holder is the node that is, or is about to be, the only master.
func (at seat) holder() string {
	if at.promotion {
		return at.target
	}
	return at.where
}

// seatOf reads the objects. A failover that the operator decided goes before what a person asked for, that before the spec, and an errand
// comes last.
func seatOf(s *v1alpha1.DataStore, f Failover, errand string) seat {
	spec, status := s.Spec.Master.Node, s.Status.Master
	if status == nil {
		return seat{where: spec}
	}
	at := seat{where: status.Node, epoch: status.Epoch}
	if f.Epoch <= status.Epoch {
		f = promoted(s)
	}
	switch {
	case f.Epoch > status.Epoch && f.Node != status.Node:
		at.target, at.epoch, at.promotion = f.Node, f.Epoch, true
	case spec != status.SpecNode && spec != status.Node:
		at.target = spec
	case errand != "" && errand != status.Node:
		at.target, at.errand = errand, true
	}
	return at
}

// promoted reads the annotation by which a person promotes a clone. What can't be read is of no effect.
func promoted(s *v1alpha1.DataStore) Failover {
	node, number, _ := strings.Cut(s.Annotations[v1alpha1.PromoteAnnotation], "/")
	epoch, err := strconv.ParseInt(number, 10, 64)
	if node == "" || err != nil {
		return Failover{}
	}
	return Failover{Node: node, Epoch: epoch}
}

// seat fills in who holds the store and who shall. A node that can't take it leaves it where it is: the finding says why.
func (c *compiler) seat(s *v1alpha1.DataStore, plan *StorePlan, at *seat) (fault *Finding) {
	if words := c.cantTake(s, *at); words != "" {
		if !at.errand {
			fault = c.find(Finding{Kind: KindDataStore, Name: s.Name, Field: "spec.master.node", Reason: v1alpha1.ReasonMoveRefused, Message: words})
		}
		*at = seat{where: s.Status.Master.Node, epoch: s.Status.Master.Epoch}
	}
	plan.Master, plan.Epoch, plan.Promotion = at.holder(), at.epoch, at.promotion
	if !at.promotion {
		plan.Target, plan.Errand = at.target, at.errand
	}
	return fault
}

// cantTake says why the target can't be the master; empty if it can.
func (c *compiler) cantTake(s *v1alpha1.DataStore, at seat) string {
	if at.target == "" {
		return ""
	}
	if c.nodes[at.target] == nil {
		return c.missing(at.target)
	}
	if words := c.notOnePod(at.target); words != "" {
		return words
	}
	if words := c.storageMissing(s, at.target); words != "" || at.promotion || c.joined(at.target, at.where) {
		return words
	}
	if c.nodes[at.where] == nil {
		return fmt.Sprintf("BrokerNode %q, which held the master, is no more; allowed: brokerctl store move --without-master", at.where)
	}
	return c.noWay(at.target, c.memberOf(at.target), at.where)
}

// instead is the node that has the clone that the spec has at a node; empty if none does. Who holds the store has no clone of it; who was
// to hold it, and doesn't, has the clone of who does. chosen are all nodes that the spec has clones at.
func (at seat) instead(s *v1alpha1.DataStore, node string, chosen map[string]bool) string {
	if at.target != "" {
		if node == at.where || node == at.target {
			return ""
		}
		return node
	}
	if node != at.where {
		return node
	}
	spec := s.Spec.Master.Node
	if spec == at.where || chosen[spec] {
		return ""
	}
	return spec
}

// lease is for how long a master may write without hearing of the operator.
func (c *compiler) lease(s *v1alpha1.DataStore) time.Duration {
	const usual = 30 * time.Second
	f := s.Spec.Failover
	switch {
	case c.opt.NoLeases || f == nil || f.Policy != v1alpha1.FailoverAutomatic:
		return 0
	case f.After == nil:
		return usual
	}
	return f.After.Duration
}
