// SPDX-License-Identifier: Apache-2.0

package code

import "strconv"

// Status says what happened to a peering or to the reach of an endpoint.
type Status uint8

// The statuses.
const (
	// StatusUnspecified is never raised.
	StatusUnspecified Status = iota
	// PeerAdded: a peering stands.
	PeerAdded
	// PeerRemoved: a peering was ended on purpose.
	PeerRemoved
	// PeerLost: a peering broke.
	PeerLost
	// EndpointDiscovered: an endpoint came into reach.
	EndpointDiscovered
	// EndpointUnreachable: the last path to an endpoint is gone.
	EndpointUnreachable
)

var statusNames = [...]string{
	StatusUnspecified:   "unspecified",
	PeerAdded:           "peer_added",
	PeerRemoved:         "peer_removed",
	PeerLost:            "peer_lost",
	EndpointDiscovered:  "endpoint_discovered",
	EndpointUnreachable: "endpoint_unreachable",
}

// String is the reference's name of the status, such as peer_added.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "status(" + strconv.Itoa(int(s)) + ")"
}

// StatusFromName finds the status that [Status.String] names so.
func StatusFromName(name string) (Status, bool) {
	for s, n := range statusNames {
		if n == name {
			return Status(s), true
		}
	}
	return StatusUnspecified, false
}
