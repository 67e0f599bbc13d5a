// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"

	"github.com/brokermesh/brokermesh/pkg/store/backend"
)

// contentSum is the checksum of a content and how many entries it has: the sum of the hashes of all entries, each of its encoded key and
// value and whether it expires. When it does is not in it: clocks differ. Part of the protocol.
func contentSum(ctx context.Context, content backend.Snapshot) (sum, count uint64, err error) {
	var b []byte
	for e, err := range content.Entries() {
		if err != nil {
			return 0, 0, err
		}
		if count++; count%1024 == 0 && ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
		var h uint64
		h, b = entrySum(e, b)
		sum += h
	}
	return sum, count, nil
}
