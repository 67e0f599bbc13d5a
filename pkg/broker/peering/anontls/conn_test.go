// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

var _ net.Conn = (*Conn)(nil)

// TestLoopback moves several MB both ways at once, in pieces of all sizes.
func TestLoopback(t *testing.T) {
	client, server := pair(t)
	checkAgreed(t, client, true, true)
	checkAgreed(t, server, true, true)
	const size = 6 << 20
	up, down := randomBytes(1, size), randomBytes(2, size)
	write := func(c *Conn, b []byte) {
		for n := 1; len(b) > 0; n = n*2%100_003 + 1 {
			part := b[:min(n, len(b))]
			if m, err := c.Write(part); m != len(part) || err != nil {
				t.Errorf("wrote %d of %d: %v", m, len(part), err)
				return
			}
			b = b[len(part):]
		}
	}
	var all sync.WaitGroup
	all.Go(func() { write(client, up) })
	all.Go(func() { write(server, down) })
	all.Go(func() { check(t, "server", expect(server, up)) })
	all.Go(func() { check(t, "client", expect(client, down)) })
	all.Wait()
}

// TestImplicitHandshake reads and writes without calling HandshakeContext, on a connection without any buffer.
func TestImplicitHandshake(t *testing.T) {
	a, b := net.Pipe()
	client, server := Client(a), Server(b)
	var all sync.WaitGroup
	for _, c := range []*Conn{client, server} {
		all.Go(func() { check(t, "write", copyAll(c, []byte("hello"))) })
		all.Go(func() { check(t, "read", expect(c, []byte("hello"))) })
	}
	all.Wait()
	all.Go(func() { check(t, "end", expectEOF(client)) })
	check(t, "close", server.Close())
	all.Wait()
	if client.LocalAddr() != a.LocalAddr() || client.RemoteAddr() != a.RemoteAddr() {
		t.Error("the addresses are not those of the connection below")
	}
}

func expectEOF(r io.Reader) error {
	if n, err := r.Read(make([]byte, 10)); n != 0 || err != io.EOF {
		return errors.Join(errors.New("this is not the end"), err)
	}
	return nil
}

// TestClose makes sure that close_notify arrives, and what calls on a closed connection say.
func TestClose(t *testing.T) {
	client, server := pair(t)
	check(t, "write", copyAll(client, []byte("last words")))
	check(t, "close", client.Close())
	check(t, "second close", client.Close())
	check(t, "read", expect(server, []byte("last words")))
	check(t, "end", expectEOF(server))
	check(t, "end again", expectEOF(server))
	if _, err := server.in.reader.src.Read(make([]byte, 1)); err != io.EOF {
		t.Error("something came behind close_notify:", err)
	}
	for _, call := range []func([]byte) (int, error){client.Read, client.Write} {
		if _, err := call([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
}

// TestBareEOF has peers that close the TCP connection only.
func TestBareEOF(t *testing.T) {
	client, server := pair(t)
	check(t, "write", copyAll(client, []byte("last words")))
	check(t, "close", client.conn.Close())
	check(t, "read", expect(server, []byte("last words")))
	check(t, "end", expectEOF(server))

	client, server = pair(t)
	if _, err := client.conn.Write([]byte{byte(recordData), 3, 3, 1, 0, 'x'}); err != nil {
		t.Fatal(err)
	}
	check(t, "close", client.conn.Close())
	for range 2 {
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	}
}

// TestCloseInterrupts closes a connection while it is read and while the peer takes nothing more of what is written.
func TestCloseInterrupts(t *testing.T) {
	client, server := pair(t)
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Error("read:", err)
		}
	})
	stuck := make(chan struct{})
	all.Go(func() {
		b := make([]byte, 64<<10)
		for full := false; ; {
			client.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
			_, err := client.Write(b)
			if isTimeout(err) && !full {
				full = true
				close(stuck)
			}
			if err != nil && !isTimeout(err) {
				if !errors.Is(err, net.ErrClosed) {
					t.Error("write:", err)
				}
				return
			}
		}
	})
	<-stuck
	client.Close()
	all.Wait()
	server.Close()
}

// TestCloseDuringHandshake must not wait for a peer that says nothing.
func TestCloseDuringHandshake(t *testing.T) {
	a, _ := connect(t)
	c := Server(a)
	result := make(chan error)
	go func() { result <- c.HandshakeContext(t.Context()) }()
	check(t, "close", c.Close())
	if err := <-result; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// TestReadDeadline lets deadlines pass between and within records; nothing is lost.
func TestReadDeadline(t *testing.T) {
	client, server := pair(t)
	past := time.Unix(1, 0)
	check(t, "deadline", server.SetReadDeadline(past))
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	record := sealed(t, client.out.writer.seal, recordData, []byte("hello"))
	for i := range record {
		check(t, "write", copyAll(client.conn, record[i:i+1]))
		check(t, "deadline", server.SetDeadline(time.Time{}))
		if i < len(record)-1 {
			check(t, "fill", errorOf(server.in.reader.fill(i+1))) // the byte has arrived
			check(t, "deadline", server.SetReadDeadline(past))
			if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
		}
	}
	check(t, "read", expect(server, []byte("hello")))
}

func errorOf(_ []byte, err error) error { return err }

// TestWriteDeadline writes to a peer that doesn't read until deadlines pass in the middle of records, goes on where each Write ended,
// and compares what arrives.
func TestWriteDeadline(t *testing.T) {
	client, server := pair(t)
	want := randomBytes(1, 24<<20)
	var all sync.WaitGroup
	first := make(chan struct{})
	all.Go(func() {
		<-first
		check(t, "read", expect(server, want))
		check(t, "end", expectEOF(server))
	})
	timeouts := 0
	for rest := want; len(rest) > 0; {
		check(t, "deadline", client.SetWriteDeadline(time.Now().Add(20*time.Millisecond)))
		n, err := client.Write(rest)
		if rest = rest[n:]; err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		if timeouts++; timeouts == 2 {
			close(first)
		}
	}
	if timeouts < 2 {
		t.Error("no deadline passed: the buffers below hold everything")
	}
	check(t, "deadline", client.SetDeadline(time.Time{}))
	check(t, "close", client.Close())
	all.Wait()
}

// TestEmptyWrite sends nothing.
func TestEmptyWrite(t *testing.T) {
	client, server := pair(t)
	number := client.out.writer.seal.number
	if n, err := client.Write(nil); n != 0 || err != nil || client.out.writer.seal.number != number {
		t.Error(n, err)
	}
	if n, err := server.Read(nil); n != 0 || err != nil {
		t.Error(n, err)
	}
}

// TestWritesAreRecords makes sure that two writes don't share a record: peers exist that need it.
func TestWritesAreRecords(t *testing.T) {
	client, server := pair(t)
	for _, part := range []string{"one", "two"} {
		check(t, "write", copyAll(client, []byte(part)))
	}
	for _, part := range []string{"one", "two"} {
		b := make([]byte, 10)
		if n, err := server.Read(b); err != nil || !bytes.Equal(b[:n], []byte(part)) {
			t.Errorf("%q, %v", b[:n], err)
		}
	}
}
