// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"io"
	"strconv"
	"testing"
)

// BenchmarkTransfer moves data over loopback, from one connection to the other.
func BenchmarkTransfer(b *testing.B) {
	for _, size := range []int{100, 4 << 10, 64 << 10} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			client, server := pair(b)
			done := make(chan error, 1)
			go func() {
				_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, server, make([]byte, 64<<10))
				done <- err
			}()
			data := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.Write(data); err != nil {
					b.Fatal(err)
				}
			}
			client.Close()
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkOpen compares the two ways to check a full record, and BenchmarkSeal those to make one.
func BenchmarkOpen(b *testing.B) {
	forBoth(b, func(b *testing.B, etm bool) {
		seal, open := protection(b, etm)
		record := sealed(b, seal, recordData, make([]byte, maxPlaintext))[headerLen:]
		work := make([]byte, len(record))
		for b.Loop() {
			open.number = 0
			copy(work, record)
			if _, err := open.open(recordData, work); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	forBoth(b, func(b *testing.B, etm bool) {
		seal, _ := protection(b, etm)
		content, record := make([]byte, maxPlaintext), make([]byte, 0, headerLen+maxRecord)
		for b.Loop() {
			if _, err := seal.seal(record, recordData, content); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func forBoth(b *testing.B, run func(b *testing.B, etm bool)) {
	for name, etm := range map[string]bool{"encrypt-then-MAC": true, "MAC-then-encrypt": false} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(maxPlaintext)
			b.ReportAllocs()
			run(b, etm)
		})
	}
}

// BenchmarkHandshake runs both ends of one.
func BenchmarkHandshake(b *testing.B) {
	for b.Loop() {
		client, server := pair(b)
		client.Close()
		server.Close()
	}
}
