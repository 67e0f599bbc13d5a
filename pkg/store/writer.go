// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/store/backend"
	"github.com/brokermesh/brokermesh/pkg/store/channel"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

const (
	// metaWriter and the writer's ID in hexadecimal are where a master keeps what it executed of a writer: own u8, last u64, exact u64,
	// time of the last write in seconds i64, outcomes (number u64, code u8).
	metaWriter = "writer/"
	// maxOutcomes bounds the outcomes kept of a writer, maxWriters the writers remembered.
	maxOutcomes = 4096
	maxWriters  = 10000
)

// writer is a clone in its role as a source of writes.
type writer struct {
	consumer *channel.Consumer[command.Command]
	lastSeen uint64
	// own tells that it is of our kind and wants to know what became of each write.
	own bool
	// exact and others are as in command.WriteResult, as far as the clone has not said that it knows them.
	exact  uint64
	others []command.Outcome
	// kept tells that the database knows of the writer.
	kept bool
}

func newWriter() *writer {
	return &writer{consumer: channel.NewConsumer[command.Command](channel.ConsumerOptions{})}
}

func writerName(id data.EntityID) string {
	return metaWriter + hex.EncodeToString(id.AppendBinary(nil))
}

func (w *writer) encode() []byte {
	b := []byte{0}
	if w.own {
		b[0] = 1
	}
	b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, w.consumer.Applied()), w.exact)
	b = binary.BigEndian.AppendUint64(b, uint64(time.Now().Unix()))
	for _, o := range w.others {
		b = append(binary.BigEndian.AppendUint64(b, o.Write), byte(o.Code))
	}
	return b
}

// storedWriter is what the database says of a writer.
type storedWriter struct {
	own    bool
	last   uint64
	exact  uint64
	seen   time.Time
	others []command.Outcome
}

func parseWriter(b []byte) (s storedWriter, ok bool) {
	if len(b) < 25 || (len(b)-25)%9 != 0 {
		return s, false
	}
	s = storedWriter{
		own: b[0] == 1, last: binary.BigEndian.Uint64(b[1:]), exact: binary.BigEndian.Uint64(b[9:]),
		seen: time.Unix(int64(binary.BigEndian.Uint64(b[17:])), 0),
	}
	for b = b[25:]; len(b) > 0; b = b[9:] {
		s.others = append(s.others, command.Outcome{Write: binary.BigEndian.Uint64(b), Code: code.Code(b[8])})
	}
	return s, true
}

// openWriter begins to take the writes of a clone, where it was if the database knows it. An error ends the service.
func (m *Master) openWriter(id data.EntityID, offset uint64, t *command.Trailer) *writer {
	if err := m.keepWriter(id); err != nil { // it was dropped in this group
		m.fail(err)
		return nil
	}
	raw, err := m.be.Meta(writerName(id))
	if err != nil {
		m.fail(err)
		return nil
	}
	w := newWriter()
	w.own = t != nil
	at := offset
	if s, ok := parseWriter(raw); ok && s.own == w.own {
		at, w.exact, w.others, w.kept = s.last, s.exact, s.others, true
	} else if w.own && (t.History != m.own.position.History || t.Epoch < m.own.writersSince || t.Epoch > m.own.position.Epoch) {
		// It wrote to an earlier master: what that one executed of the writes under way is not known here.
		at = max(offset, t.Number)
		w.exact = at
	}
	if !w.own && !w.kept { // it attaches once: a restart must not make a stranger of it, even if it has not written by then
		m.own.executed[id] = w
	}
	m.writers[id] = w
	w.consumer.Handshake(&m.out.input, at, channel.DefaultHeartbeat)
	return w
}

// heedWriter takes what a writer of our kind says of what it knows.
func (m *Master) heedWriter(id data.EntityID, w *writer, t *command.Trailer) {
	n := 0
	for n < len(w.others) && w.others[n].Write <= t.Settled {
		n++
	}
	if n > 0 {
		w.others = w.others[n:]
		m.touch(id)
	}
	if t.Settled < w.consumer.Applied() {
		m.touch(id) // it lacks a result
	}
}

// touch has the outcomes of a writer kept with the next commit, and told after it.
func (m *Master) touch(id data.EntityID) { m.own.touched[id] = struct{}{} }

// outcome takes note of what became of a write, if that is anything but executed.
func (w *writer) outcome(n uint64, err error) {
	number, refused := outcomeOf(err)
	if !refused {
		return
	}
	w.others = append(w.others, command.Outcome{Write: n, Code: number})
	if len(w.others) > maxOutcomes {
		w.exact = w.others[0].Write
		w.others = w.others[1:]
	}
}

// keepWriters writes into the transaction how far the writers have come whose writes are in it, also if they were dropped meanwhile.
func (m *Master) keepWriters() error {
	for id := range m.own.executed {
		if err := m.keepWriter(id); err != nil {
			return err
		}
	}
	return nil
}

func (m *Master) keepWriter(id data.EntityID) error {
	w := m.own.executed[id]
	if w == nil {
		return nil
	}
	delete(m.own.executed, id)
	m.dirty, w.kept = true, true
	return m.be.SetMeta(writerName(id), w.encode())
}

// tellWriters tells the writers of our kind what became of their writes.
func (m *Master) tellWriters() {
	for id := range m.own.touched {
		if w := m.writers[id]; w != nil && w.own {
			m.sendTo(id, &command.WriteResult{Through: w.consumer.Applied(), Number: m.clones.Seq(), Exact: w.exact, Others: w.others})
		}
	}
	clear(m.own.touched)
}

// dropWriter forgets a writer. One that may come back the database keeps for a while: those of our kind, and others that merely fell behind.
// One of another kind that was silent for so long has given up writing, too.
func (m *Master) dropWriter(id data.EntityID, silent bool) {
	w := m.writers[id]
	delete(m.writers, id)
	if w != nil && !w.own && silent && m.failed == nil {
		delete(m.own.executed, id)
		m.dirty = true
		if err := m.be.SetMeta(writerName(id), nil); err != nil {
			m.fail(err)
		}
	}
}

// forgetWriters removes from the database the writers that have not written for long, or that are too many.
func (m *Master) forgetWriters(now time.Time) error {
	var all, old []string
	for meta, err := range m.be.Metas(metaWriter) {
		if err != nil {
			return err
		}
		if s, ok := parseWriter(meta.Value); !ok || now.Sub(s.seen) >= writerMemory {
			old = append(old, meta.Name)
		} else {
			all = append(all, meta.Name)
		}
	}
	if len(all) > maxWriters {
		old = append(old, all[:len(all)-maxWriters]...)
	}
	for _, name := range old {
		if err := m.be.SetMeta(name, nil); err != nil {
			return backend.Failure("", "forget a writer", err)
		}
	}
	return nil
}
