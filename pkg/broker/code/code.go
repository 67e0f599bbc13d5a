// SPDX-License-Identifier: Apache-2.0

package code

import "strconv"

// Code is an error code as one byte of the wire carries it. It is an error
// itself, so that errors.Is(err, code.NoSuchKey) works on wrapped ones.
type Code uint8

// The codes.
const (
	// None: no error.
	None Code = iota
	// Unspecified: any error without a code of its own.
	Unspecified
	// PeerIncompatible: the peer speaks no version that we speak.
	PeerIncompatible
	// PeerInvalid: the named peer does not exist.
	PeerInvalid
	// PeerUnavailable: the peer does not answer.
	PeerUnavailable
	// PeerDisconnectDuringHandshake: the connection ended before the peering stood.
	PeerDisconnectDuringHandshake
	// PeerTimeout: the peer did not answer in time.
	PeerTimeout
	// MasterExists: there is a master of that store already.
	MasterExists
	// NoSuchMaster: no master of that store is known.
	NoSuchMaster
	// NoSuchKey: the store holds nothing under the key.
	NoSuchKey
	// RequestTimeout: the store did not answer in time.
	RequestTimeout
	// TypeClash: the operation does not fit the kind of the stored value.
	TypeClash
	// InvalidData: the operand has the right kind but not the right content.
	InvalidData
	// BackendFailure: the storage below the store failed.
	BackendFailure
	// StaleData: a clone without its master for too long does not answer.
	StaleData
	// CannotOpenFile: a file could not be opened.
	CannotOpenFile
	// CannotWriteFile: a file could not be written.
	CannotWriteFile
	// InvalidTopicKey: a topic is unknown.
	InvalidTopicKey
	// EndOfFile: the input ended.
	EndOfFile
	// InvalidTag: a type tag is unknown.
	InvalidTag
	// InvalidMessage: a message makes no sense.
	InvalidMessage
	// InvalidStatus: a status is unknown.
	InvalidStatus
	// ConversionFailed: a value is not of the form that was asked for.
	ConversionFailed
	// ConsumerExists: the consumer is attached already.
	ConsumerExists
	// ConnectionTimeout: a connection did not come about in time.
	ConnectionTimeout
	// BadMemberFunctionCall: the call does not fit the state of its object.
	BadMemberFunctionCall
	// RepeatedRequestId: a request with that number is under way.
	RepeatedRequestId
	// BrokenClone: the clone lost its place in the order of events.
	BrokenClone
	// ShuttingDown: the endpoint ends.
	ShuttingDown
	// InvalidPeeringRequest: the request to peer makes no sense.
	InvalidPeeringRequest
	// RepeatedPeeringHandshakeRequest: the handshake was begun twice.
	RepeatedPeeringHandshakeRequest
	// UnexpectedHandshakeMessage: a message of the handshake came out of turn.
	UnexpectedHandshakeMessage
	// InvalidHandshakeState: the handshake is in no state for the message.
	InvalidHandshakeState
	// NoPathToPeer: no connection leads to the receiver.
	NoPathToPeer
	// NoConnectorAvailable: nothing can open connections any more.
	NoConnectorAvailable
	// CannotOpenResource: a resource could not be opened.
	CannotOpenResource
	// SerializationFailed: a value could not be written.
	SerializationFailed
	// DeserializationFailed: bytes could not be read.
	DeserializationFailed
	// WrongMagicNumber: the other side does not speak Broker.
	WrongMagicNumber
	// RedundantConnection: a connection to that peer stands already.
	RedundantConnection
	// LogicError: the program is at fault.
	LogicError
	// InvalidJSON: the input is not JSON.
	InvalidJSON
)

var names = [...]string{
	None:                            "none",
	Unspecified:                     "unspecified",
	PeerIncompatible:                "peer_incompatible",
	PeerInvalid:                     "peer_invalid",
	PeerUnavailable:                 "peer_unavailable",
	PeerDisconnectDuringHandshake:   "peer_disconnect_during_handshake",
	PeerTimeout:                     "peer_timeout",
	MasterExists:                    "master_exists",
	NoSuchMaster:                    "no_such_master",
	NoSuchKey:                       "no_such_key",
	RequestTimeout:                  "request_timeout",
	TypeClash:                       "type_clash",
	InvalidData:                     "invalid_data",
	BackendFailure:                  "backend_failure",
	StaleData:                       "stale_data",
	CannotOpenFile:                  "cannot_open_file",
	CannotWriteFile:                 "cannot_write_file",
	InvalidTopicKey:                 "invalid_topic_key",
	EndOfFile:                       "end_of_file",
	InvalidTag:                      "invalid_tag",
	InvalidMessage:                  "invalid_message",
	InvalidStatus:                   "invalid_status",
	ConversionFailed:                "conversion_failed",
	ConsumerExists:                  "consumer_exists",
	ConnectionTimeout:               "connection_timeout",
	BadMemberFunctionCall:           "bad_member_function_call",
	RepeatedRequestId:               "repeated_request_id",
	BrokenClone:                     "broken_clone",
	ShuttingDown:                    "shutting_down",
	InvalidPeeringRequest:           "invalid_peering_request",
	RepeatedPeeringHandshakeRequest: "repeated_peering_handshake_request",
	UnexpectedHandshakeMessage:      "unexpected_handshake_message",
	InvalidHandshakeState:           "invalid_handshake_state",
	NoPathToPeer:                    "no_path_to_peer",
	NoConnectorAvailable:            "no_connector_available",
	CannotOpenResource:              "cannot_open_resource",
	SerializationFailed:             "serialization_failed",
	DeserializationFailed:           "deserialization_failed",
	WrongMagicNumber:                "wrong_magic_number",
	RedundantConnection:             "redundant_connection",
	LogicError:                      "logic_error",
	InvalidJSON:                     "invalid_json",
}

// String is the reference's name of the code, such as no_such_key.
func (c Code) String() string {
	if int(c) < len(names) {
		return names[c]
	}
	return "code(" + strconv.Itoa(int(c)) + ")"
}

// Error is the name of the code.
func (c Code) Error() string { return c.String() }

// FromName finds the code that [Code.String] names so.
func FromName(name string) (Code, bool) {
	for c, n := range names {
		if n == name {
			return Code(c), true
		}
	}
	return None, false
}
