// SPDX-License-Identifier: Apache-2.0

package wire

import "encoding/binary"

// Features that an endpoint announces. A bit never changes its meaning; unknown bits are ignored.
const (
	// FeatureNode: the sender is a node of a mesh and forwards. Without it the sender is a leaf.
	FeatureNode uint64 = 1 << 0
	// FeatureMesh: the sender is a node that takes part in whole-mesh routing. Between two that say so the link is a link of the mesh.
	FeatureMesh uint64 = 1 << 1
	// FeatureStamps: the sender takes stamped data and commands from a node with FeatureMesh.
	FeatureStamps uint64 = 1 << 2
	// FeatureCounts: the sender understands pings that carry the number of messages that were received.
	FeatureCounts uint64 = 1 << 3
)

const (
	announceMagic = "BMSH"
	announceSize  = len(announceMagic) + 1 + 8 + 8
	countMagic    = "RCVD"
	countSize     = len(countMagic) + 8 + 8
	byeMagic      = "BYE"
	byeSize       = len(byeMagic) + 8
)

// Announcement is the payload of the first ping that an endpoint of this project sends: every Broker echoes it and shows it to
// nobody, but this project's own endpoints recognise each other by it.
type Announcement struct {
	// Version is 1.
	Version uint8
	// Features is a set of bits; a feature is used on a connection when both ends announced it.
	Features uint64
	// Nonce is random, so that the echo of an own announcement is told from the peer's.
	Nonce uint64
}

// Append appends the announcement as the payload of a ping.
func (a Announcement) Append(dst []byte) []byte {
	dst = append(append(dst, announceMagic...), a.Version)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, a.Features), a.Nonce)
}

// ParseAnnouncement reads the payload of a ping. False means that it is an ordinary ping. Later versions may be longer; what this
// version knows stands in front.
func ParseAnnouncement(payload []byte) (Announcement, bool) {
	if len(payload) < announceSize || string(payload[:len(announceMagic)]) != announceMagic || payload[4] == 0 {
		return Announcement{}, false
	}
	return Announcement{
		Version:  payload[4],
		Features: binary.BigEndian.Uint64(payload[5:]),
		Nonce:    binary.BigEndian.Uint64(payload[13:]),
	}, true
}

// AppendCount appends the payload of a ping that also says how many data messages and commands the sender has received on the connection.
// It is for peers that announced FeatureCounts; they answer it as any ping.
func AppendCount(dst []byte, nonce, received uint64) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, countMagic...), nonce)
	return binary.BigEndian.AppendUint64(dst, received)
}

// ParseCount reads the payload of a ping. False means that it carries no count. Later versions may be longer.
func ParseCount(payload []byte) (received uint64, ok bool) {
	if len(payload) < countSize || string(payload[:len(countMagic)]) != countMagic {
		return 0, false
	}
	return binary.BigEndian.Uint64(payload[len(countMagic)+8:]), true
}

// AppendBye appends the payload of the ping that begins the closing handshake. The peer's pong with the same payload ends it.
func AppendBye(dst []byte, token uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, byeMagic...), token)
}

// IsBye tells whether a payload is that of a closing handshake.
func IsBye(payload []byte) bool {
	return len(payload) == byeSize && string(payload[:len(byeMagic)]) == byeMagic
}
