// SPDX-License-Identifier: Apache-2.0

package peering

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// closeWait bounds how long Close waits for the peer to take what is being written.
const closeWait = time.Second

// Link is a connection in operation: a reader that the owner calls, a queue, and a writer goroutine that empties it.
type Link struct {
	*Established
	Queue *Queue
	// BytesIn and BytesOut count what went over the connection, framing included, TLS excluded.
	BytesIn, BytesOut atomic.Uint64

	reader   *Reader
	pipe     *pipe         // instead of Conn and reader, within the process
	heard    atomic.Int64  // when the last byte came, in nanoseconds
	writing  atomic.Bool   // Start was called
	written  chan struct{} // closed when the writer has ended
	closing  chan struct{}
	failOnce sync.Once
	cause    error
}

// NewLink takes over an established connection. The writer starts with Start.
func NewLink(est *Established, limit Limit, maxFrame int) *Link {
	l := &Link{Established: est, Queue: NewQueue(limit), closing: make(chan struct{}), written: make(chan struct{})}
	l.reader = NewReader(source{l}, est.Rest, maxFrame)
	l.heard.Store(time.Now().UnixNano())
	est.Rest = nil
	return l
}

// source counts what the reader reads.
type source struct{ l *Link }

// Read reads from the connection.
func (s source) Read(b []byte) (int, error) {
	n, err := s.l.Conn.Read(b)
	if n > 0 {
		s.l.BytesIn.Add(uint64(n))
		s.l.heard.Store(time.Now().UnixNano())
	}
	return n, err
}

// Start runs the writer. first, if any, is written before everything that is queued.
func (l *Link) Start(first []byte) {
	if l.pipe != nil {
		l.pipe.out <- first
		return
	}
	l.writing.Store(true)
	go func() {
		defer close(l.written)
		l.write(first)
	}()
}

func (l *Link) write(first []byte) {
	if len(first) > 0 {
		if _, err := l.Conn.Write(first); err != nil {
			l.Fail(&Error{Class: Lost, Text: "write", Err: err})
			return
		}
		l.BytesOut.Add(uint64(len(first)))
	}
	var b batch
	for l.Queue.take(&b) {
		n, err := l.writeBatch(b.bufs)
		l.BytesOut.Add(uint64(n))
		if err != nil {
			l.Queue.lost(&b, n)
			l.Fail(&Error{Class: Lost, Text: "write", Err: err})
			return
		}
	}
}

func (l *Link) writeBatch(bufs net.Buffers) (int64, error) {
	if len(bufs) == 1 {
		n, err := l.Conn.Write(bufs[0])
		return int64(n), err
	}
	return bufs.WriteTo(l.Conn)
}

// Next answers the next received frames, see Reader.Next. Only one goroutine may call it.
func (l *Link) Next() ([][]byte, error) {
	if l.pipe != nil {
		return l.nextLocal(false)
	}
	return l.reader.Next()
}

// NextWithin is Next with a limit of time; the error is then os.ErrDeadlineExceeded, and Next goes on where it was.
func (l *Link) NextWithin(d time.Duration) ([][]byte, error) {
	if l.pipe != nil {
		return l.nextLocal(true)
	}
	l.Conn.SetReadDeadline(time.Now().Add(d))
	defer l.Conn.SetReadDeadline(time.Time{})
	return l.reader.Next()
}

// Heard is when the last byte came from the peer.
func (l *Link) Heard() time.Time { return time.Unix(0, l.heard.Load()) }

// Fail ends the connection at once, for the given reason unless there is one already. What is queued is lost.
func (l *Link) Fail(cause error) {
	l.end(cause)
	if l.pipe != nil {
		return
	}
	if l.raw != nil {
		l.raw.Close()
	}
	l.Conn.Close()
}

// Close ends the connection on purpose. Over TLS it says so with a close_notify, which must not come between the records of a write:
// one that is under way gets a moment to end.
func (l *Link) Close() { l.CloseWith(nil) }

// CloseWith is Close with a frame as the last word, which is not waited for long.
func (l *Link) CloseWith(last []byte) {
	if !l.end(nil) || l.pipe != nil {
		return
	}
	l.Conn.SetWriteDeadline(time.Now().Add(closeWait))
	l.Wait() // a writer that starts only now finds the connection closed
	if len(last) > 0 {
		l.Conn.Write(last)
	}
	l.Conn.Close()
}

// end stops the queue and the writer; false if that has been done before.
func (l *Link) end(cause error) (first bool) {
	l.failOnce.Do(func() {
		first = true
		l.cause = cause
		close(l.closing)
		l.Queue.Close()
		if l.pipe != nil {
			l.pipe.queue.Close()
		}
	})
	return first
}

// Closing is closed when Fail or Close was called.
func (l *Link) Closing() <-chan struct{} { return l.closing }

// Wait waits for the writer. Fail or Close must have been called.
func (l *Link) Wait() {
	if l.writing.Load() {
		<-l.written
	}
}

// Cause is why the link ended, given the error of Next: that of Fail if it was called first, nil after Close.
func (l *Link) Cause(read error) error {
	select {
	case <-l.closing:
		return l.cause
	default:
	}
	if e := (*Error)(nil); errors.As(read, &e) {
		return e
	}
	if errors.Is(read, io.EOF) || errors.Is(read, io.ErrUnexpectedEOF) {
		return &Error{Class: Lost, Text: "the peer closed the connection"}
	}
	return &Error{Class: Lost, Text: "read", Err: read}
}
