// SPDX-License-Identifier: Apache-2.0

package data

import "strconv"

// Kind says what a value is. Its number is the tag byte on the wire and the
// rank of the kind in the total order.
type Kind uint8

// The kinds, numbered as on the wire.
const (
	KindNone Kind = iota
	KindBoolean
	KindCount
	KindInteger
	KindReal
	KindString
	KindAddress
	KindSubnet
	KindPort
	KindTimestamp
	KindTimespan
	KindEnum
	KindSet
	KindTable
	KindVector
)

var kindNames = [...]string{
	KindNone:      "none",
	KindBoolean:   "boolean",
	KindCount:     "count",
	KindInteger:   "integer",
	KindReal:      "real",
	KindString:    "string",
	KindAddress:   "address",
	KindSubnet:    "subnet",
	KindPort:      "port",
	KindTimestamp: "timestamp",
	KindTimespan:  "timespan",
	KindEnum:      "enum-value",
	KindSet:       "set",
	KindTable:     "table",
	KindVector:    "vector",
}

// String is the name that the WebSocket protocol uses for the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// IsContainer reports whether values of this kind hold other values: sets,
// tables and vectors.
func (k Kind) IsContainer() bool { return k >= KindSet && k <= KindVector }

// KindFromName finds the kind that [Kind.String] names so.
func KindFromName(name string) (Kind, bool) {
	for k, n := range kindNames {
		if n == name {
			return Kind(k), true
		}
	}
	return KindNone, false
}

// Protocol is the transport protocol of a port.
type Protocol uint8

// The protocols, numbered as on the wire; others are refused there.
const (
	ProtocolUnknown Protocol = iota
	ProtocolTCP
	ProtocolUDP
	ProtocolICMP
)

// String is the protocol as it stands behind a port's slash; "?" if unknown.
func (p Protocol) String() string {
	switch p {
	case ProtocolTCP:
		return "tcp"
	case ProtocolUDP:
		return "udp"
	case ProtocolICMP:
		return "icmp"
	default:
		return "?"
	}
}
