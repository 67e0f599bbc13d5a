// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// args reads the arguments of a question. After the first that doesn't fit all reads answer zero, and err says which.
type args struct {
	rest []data.Value
	at   int
	err  error
}

func (a *args) value() data.Value {
	if a.err == nil && len(a.rest) == 0 {
		a.err = fmt.Errorf("%w: argument %d is missing", errBadQuestion, a.at+1)
	}
	if a.err != nil {
		return data.Value{}
	}
	v := a.rest[0]
	a.rest = a.rest[1:]
	a.at++
	return v
}

// wrong takes note that the argument read last is of another kind.
func (a *args) wrong(ok bool) {
	if !ok && a.err == nil {
		a.err = fmt.Errorf("%w: argument %d is of another kind", errBadQuestion, a.at)
	}
}

func (a *args) count() uint64 {
	n, ok := a.value().AsCount()
	a.wrong(ok)
	return n
}

func (a *args) boolean() bool {
	b, ok := a.value().AsBoolean()
	a.wrong(ok)
	return b
}

func (a *args) string() string {
	s, ok := a.value().AsString()
	a.wrong(ok)
	return s
}

// expiry is a timespan of more than nothing, or none.
func (a *args) expiry() time.Duration {
	v := a.value()
	if v.Kind() == data.KindNone {
		return 0
	}
	d, ok := v.AsTimespan()
	a.wrong(ok && d > 0)
	return d
}

// writeValues is how many values a Write takes.
const writeValues = 5

// writeArgs is a write as arguments: command and init kind as counts, key, value, expiry as a timespan or none.
func writeArgs(to []data.Value, w *Write) []data.Value {
	expiry := data.None()
	if w.expiry != 0 {
		expiry = data.Timespan(w.expiry)
	}
	return append(to, data.Count(uint64(w.kind)), data.Count(uint64(w.init)), w.key, w.value, expiry)
}

// write reads what writeArgs has made.
func (a *args) write() Write {
	kind, init := a.count(), a.count()
	a.wrong(init <= uint64(data.KindVector))
	w := Write{
		kind: command.Kind(kind), init: data.Kind(init),
		key: data.Canonical(a.value()), value: data.Canonical(a.value()), expiry: a.expiry(),
	}
	switch kind {
	case uint64(command.KindPut), uint64(command.KindPutUnique), uint64(command.KindErase), uint64(command.KindAdd),
		uint64(command.KindSubtract), uint64(command.KindClear):
	default:
		a.wrong(false)
	}
	return w
}

// batchArgs is a batch as arguments.
func batchArgs(b *Batch) []data.Value {
	list := make([]data.Value, 0, 1+3*len(b.If)+writeValues*len(b.Writes))
	list = append(list, data.Count(uint64(len(b.If))))
	for i := range b.If {
		list = append(list, b.If[i].Key, data.Boolean(b.If[i].Present), b.If[i].Value)
	}
	for i := range b.Writes {
		list = writeArgs(list, &b.Writes[i])
	}
	return list
}

// batch reads what batchArgs has made.
func (a *args) batch() Batch {
	var b Batch
	for n := a.count(); n > 0 && a.err == nil; n-- {
		b.If = append(b.If, Condition{Key: a.value(), Present: a.boolean(), Value: a.value()})
	}
	for len(a.rest) > 0 && a.err == nil {
		b.Writes = append(b.Writes, a.write())
	}
	return b
}

// read answers a question that changes nothing.
func (a *asks) read(asker data.EntityID, op operation, ask *command.Ask) ([]data.Value, error) {
	in := &args{rest: ask.Args}
	switch op {
	case opHello:
		return []data.Value{data.Count(uint64(a.role)), data.Boolean(a.board.Status().Fenced)}, nil
	case opOpen:
		if a.role != RoleMaster {
			return nil, fmt.Errorf("%w: a clone takes no writes for others", errBadQuestion)
		}
		return a.open(asker, ask.Number)
	case opStat:
		text, err := json.Marshal(ReportOf(a.board.Status(), a.id))
		return []data.Value{data.String(string(text))}, err
	case opGet:
		key := in.value()
		return one(in, func() (data.Value, error) { return a.ops.Get(a.ctx, key) })
	case opExists:
		key := in.value()
		return one(in, func() (data.Value, error) {
			ok, err := a.ops.Exists(a.ctx, key)
			return data.Boolean(ok), err
		})
	case opIndex:
		key, index := in.value(), in.value()
		return one(in, func() (data.Value, error) { return a.ops.GetIndex(a.ctx, key, index) })
	case opAdopt:
		history := in.string()
		if in.err != nil {
			return nil, in.err
		}
		return nil, a.adopt(history)
	case opPromote:
		epoch := in.count()
		if in.err != nil {
			return nil, in.err
		}
		return nil, a.promote(epoch)
	case opCompact:
		return nil, a.compact(askKey{asker, ask.Number})
	default:
		return a.readMany(askKey{asker, ask.Number}, op, in)
	}
}

// adopt confirms a history that a clone has met.
func (a *asks) adopt(history string) error {
	if a.role != RoleClone {
		return fmt.Errorf("%w: a master has its own history", errBadQuestion)
	}
	switch s := a.board.Status(); {
	case s.History.String() == history:
		return nil // by somebody who was quicker
	case s.NewHistory.IsZero() || s.NewHistory.String() != history:
		return ErrNoNewHistory
	}
	_, err := a.ops.do(a.ctx, read{kind: adoptRequest})
	return err
}

// promote has a master take a later epoch than one that somebody has seen.
func (a *asks) promote(seen uint64) error {
	if a.role != RoleMaster {
		return fmt.Errorf("%w: only a master can be promoted; a clone takes over", errBadQuestion)
	}
	_, err := a.ops.do(a.ctx, read{kind: promoteRequest, epoch: seen})
	return err
}

// one asks for a value if the arguments are right.
func one(in *args, get func() (data.Value, error)) ([]data.Value, error) {
	if in.err != nil {
		return nil, in.err
	}
	v, err := get()
	if err != nil {
		return nil, err
	}
	return []data.Value{v}, nil
}

// execute carries out a write.
func (a *asks) execute(ask *command.Ask) ([]data.Value, error) {
	in := &args{rest: ask.Args}
	var pending *Pending
	var err error
	switch operation(ask.Operation) {
	case opWrite:
		if w := in.write(); in.err == nil {
			pending, err = a.ops.begin(a.ctx, w)
		}
	case opBatch:
		if b := in.batch(); in.err == nil {
			pending, err = a.ops.beginBatch(a.ctx, b)
		}
	default:
		return nil, errBadQuestion
	}
	if err = firstOf(in.err, err); err != nil {
		return nil, err
	}
	if err := pending.Wait(a.ctx); err != nil && a.ctx.Err() != nil { // the frontend ends, and may have executed it
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	} else if err != nil {
		return nil, err
	}
	return []data.Value{data.Boolean(pending.Inserted())}, nil
}
