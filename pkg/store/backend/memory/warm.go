// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"hash/maphash"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// warmAtOnce is how many keys are looked for together.
const warmAtOnce = 16

// Warm brings what the next calls with these keys look at nearer to the processor. In a table that is larger than its caches nearly all
// of the time of a Put is waiting for memory, two or three times one after the other; here the waits of many keys overlap, since no step
// of a loop needs what the one before has fetched.
func (b *Backend) Warm(keys []data.Value) {
	var places [warmAtOnce]int
	var groups [warmAtOnce]*group
	for ; len(keys) > 0; keys = keys[min(len(keys), warmAtOnce):] {
		n := min(len(keys), warmAtOnce)
		for i := range n {
			b.scratch = keys[i].AppendBinary(b.scratch[:0])
			places[i] = b.table.place(hash(maphash.Bytes(b.seed, b.scratch)).prefix())
		}
		for i := range n {
			groups[i] = b.table.dir[places[i]]
		}
		for i := range n {
			places[i] = int(groups[i].n)
		}
		for i := range n {
			b.warmed += groups[i].recs[places[i]%groupSize].keySize
		}
	}
}
