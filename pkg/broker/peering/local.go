// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"encoding/binary"
	"io"
	"os"
	"time"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// pipe is what a link within the process has instead of a connection: it takes the frames out of the other end's queue itself. It
// belongs to the reading goroutine.
type pipe struct {
	other   *Link
	queue   *Queue      // the other end's
	hello   chan []byte // what the other end says first; nil if nothing
	out     chan []byte // the other end's hello
	greeted bool

	batch  batch
	frames [][]byte
	values []Attached // one for each frame once there is any
}

// Attached is a value that came without having been encoded.
type Attached struct {
	Value data.Value
	Size  int // that it would have, encoded
}

// End is one end of a link within the process.
type End struct {
	ID     data.EndpointID
	Filter []string // what it asks the other end for
	Limit  Limit    // of its queue towards the other end
}

// NewLocalLinks connects two endpoints of this process. Values that are queued with Put at one end come out at the other as they are;
// everything else is as with a connection: the same queues, limits and frames.
func NewLocalLinks(a, b End) (atA, atB *Link) {
	toA, toB := make(chan []byte, 1), make(chan []byte, 1)
	atA, atB = localLink(a, b), localLink(b, a)
	atA.pipe = &pipe{other: atB, queue: atB.Queue, hello: toA, out: toB}
	atB.pipe = &pipe{other: atA, queue: atA.Queue, hello: toB, out: toA}
	return atA, atB
}

func localLink(own, peer End) *Link {
	role := Originator
	if own.ID.Compare(peer.ID) > 0 {
		role = Responder
	}
	est := &Established{Peer: peer.ID, Role: role, Filter: peer.Filter, Announced: own.Filter, Security: "in process"}
	l := &Link{Established: est, Queue: NewQueue(own.Limit), closing: make(chan struct{})}
	l.Queue.local = true
	l.heard.Store(time.Now().UnixNano())
	return l
}

// Local tells whether the other end is in this process.
func (l *Link) Local() bool { return l.pipe != nil }

// Attached answers the value that belongs to the i-th frame of the last Next, which then ends before its payload; nil if there is
// none. Only links within the process have any. The answer is valid until the next Next.
func (l *Link) Attached(i int) *Attached {
	if l.pipe == nil || i >= len(l.pipe.values) || l.pipe.values[i].Size == 0 {
		return nil
	}
	return &l.pipe.values[i]
}

// Ended tells whether Fail or Close was called.
func (l *Link) Ended() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}

// nextLocal waits for frames. With first it is only for what the other end says first: os.ErrDeadlineExceeded if that is nothing.
func (l *Link) nextLocal(first bool) ([][]byte, error) {
	p := l.pipe
	p.values = p.values[:0]
	if !p.greeted {
		hello, err := l.greeting()
		if err != nil || len(hello) > 0 {
			return [][]byte{hello}, err
		}
		if first {
			return nil, os.ErrDeadlineExceeded
		}
	}
	if !p.queue.take(&p.batch) {
		return nil, io.EOF
	}
	l.heard.Store(time.Now().UnixNano())
	p.cut()
	return p.frames, nil
}

func (l *Link) greeting() ([]byte, error) {
	select {
	case hello := <-l.pipe.hello:
		l.pipe.greeted = true
		return hello, nil
	case <-l.pipe.other.closing:
	case <-l.closing:
	}
	return nil, io.EOF
}

// cut finds the frames in what was taken. A frame whose end isn't there goes on with a shared payload or a value.
func (p *pipe) cut() {
	clear(p.frames)
	clear(p.values[:cap(p.values)])
	p.frames = p.frames[:0]
	values := p.batch.values
	for i := 0; i < len(p.batch.bufs); i++ {
		for buf := p.batch.bufs[i]; len(buf) > 0; {
			size := 4 + int(binary.BigEndian.Uint32(buf))
			switch {
			case size <= len(buf):
				p.add(buf[:size:size], Attached{})
				buf = buf[size:]
				continue
			case len(values) > 0 && values[0].at == i+1:
				p.add(buf[:len(buf):len(buf)], Attached{values[0].value, size - len(buf)})
				values = values[1:]
			default:
				i++
				p.add(append(buf[:len(buf):len(buf)], p.batch.bufs[i]...), Attached{})
			}
			break
		}
	}
}

func (p *pipe) add(frame []byte, a Attached) {
	p.frames = append(p.frames, frame)
	if a.Size > 0 || len(p.values) > 0 {
		for len(p.values) < len(p.frames)-1 {
			p.values = append(p.values, Attached{})
		}
		p.values = append(p.values, a)
	}
}

// Claim enters a link within the process for an endpoint; false if there is a link or a handshake already, or no link may be made any
// more. Forget ends it.
func (r *Registry) Claim(id data.EndpointID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.closing || r.mu.entries[id] != nil {
		return false
	}
	r.mu.entries[id] = &entry{}
	return true
}
