// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// AppendFilter appends a list of topic prefixes: the payload of a routing update and the field of OriginatorSyn and ResponderSynAck.
func AppendFilter(dst []byte, filter []string) []byte {
	dst = data.AppendVarbyte(dst, uint32(len(filter)))
	for _, prefix := range filter {
		dst = appendString(dst, prefix)
	}
	return dst
}

// ParseFilter reads a list of topic prefixes. It is strict: the count must be the number of entries, nothing may follow, and there
// are at most MaxFilterEntries entries of at most MaxTopic bytes. The error is an *Error.
func ParseFilter(payload []byte) ([]string, error) {
	filter, n, err := parseFilterPrefix(payload)
	if err != nil {
		return nil, err
	}
	if n != len(payload) {
		return nil, &Error{n, fmt.Sprintf("%d bytes after the last entry of the filter", len(payload)-n)}
	}
	return filter, nil
}

// parseFilterPrefix reads a filter from the front of b and tells how many bytes it took.
func parseFilterPrefix(b []byte) ([]string, int, error) {
	count, at, err := data.Varbyte(b)
	if err != nil {
		return nil, 0, &Error{0, "number of filter entries: " + err.Error()}
	}
	if uint64(count) > uint64(min(MaxFilterEntries, len(b)-at)) {
		return nil, 0, &Error{0, fmt.Sprintf("filter of %d entries, but %d bytes are left and at most %d entries are allowed", count, len(b)-at, MaxFilterEntries)}
	}
	filter := make([]string, 0, count)
	for range count {
		entry, n, err := parseString(b[at:])
		if err != nil {
			return nil, 0, &Error{at, "filter entry: " + err.Error()}
		}
		if len(entry) > MaxTopic {
			return nil, 0, &Error{at, fmt.Sprintf("filter entry of %d bytes, at most %d are allowed", len(entry), MaxTopic)}
		}
		filter = append(filter, string(entry))
		at += n
	}
	return filter, at, nil
}

func appendString(dst []byte, s string) []byte {
	return append(data.AppendVarbyte(dst, uint32(len(s))), s...)
}

// parseString reads a length and so many bytes; what it returns is a view of b.
func parseString(b []byte) (s []byte, n int, err error) {
	size, at, err := data.Varbyte(b)
	if err != nil {
		return nil, 0, err
	}
	if uint64(size) > uint64(len(b)-at) {
		return nil, 0, fmt.Errorf("string of %d bytes, but %d are left", size, len(b)-at)
	}
	end := at + int(size)
	return b[at:end], end, nil
}
