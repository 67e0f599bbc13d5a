// SPDX-License-Identifier: Apache-2.0

package anontls

import (
	"errors"
	"fmt"
)

// ErrNotTLS is wrapped by the error of a handshake whose peer began with something that is no TLS record.
var ErrNotTLS = errors.New("the peer does not speak TLS")

// Alert is the number of a TLS alert.
type Alert uint8

// The alerts that this package sends, and close_notify and no_renegotiation, which it also acts on.
const (
	AlertCloseNotify          Alert = 0
	AlertUnexpectedMessage    Alert = 10
	AlertBadRecordMAC         Alert = 20
	AlertRecordOverflow       Alert = 22
	AlertHandshakeFailure     Alert = 40
	AlertIllegalParameter     Alert = 47
	AlertDecodeError          Alert = 50
	AlertDecryptError         Alert = 51
	AlertProtocolVersion      Alert = 70
	AlertInternalError        Alert = 80
	AlertNoRenegotiation      Alert = 100
	AlertUnsupportedExtension Alert = 110
)

// The two levels of an alert.
const (
	levelWarning = 1
	levelFatal   = 2
)

var alertNames = map[Alert]string{
	AlertCloseNotify: "close_notify", AlertUnexpectedMessage: "unexpected_message", AlertBadRecordMAC: "bad_record_mac",
	AlertRecordOverflow: "record_overflow", AlertHandshakeFailure: "handshake_failure", AlertIllegalParameter: "illegal_parameter",
	AlertDecodeError: "decode_error", AlertDecryptError: "decrypt_error", AlertProtocolVersion: "protocol_version",
	AlertInternalError: "internal_error", AlertNoRenegotiation: "no_renegotiation", AlertUnsupportedExtension: "unsupported_extension",
	// Only received:
	42: "bad_certificate", 46: "certificate_unknown", 48: "unknown_ca", 71: "insufficient_security", 86: "inappropriate_fallback",
	90: "user_canceled", 109: "missing_extension", 112: "unrecognized_name", 116: "certificate_required",
}

// String is the name of an alert and its number.
func (a Alert) String() string {
	if name, ok := alertNames[a]; ok {
		return fmt.Sprintf("%s (%d)", name, uint8(a))
	}
	return fmt.Sprintf("alert %d", uint8(a))
}

// AlertError ends a connection: one side found a fault with the other.
type AlertError struct {
	// Alert is what was sent, or received.
	Alert Alert
	// Remote says that the peer sent the alert, so that the fault is ours in its eyes.
	Remote bool
	// Reason says what was wrong; it is empty if the peer sent the alert.
	Reason string
}

// Error names the alert, who sent it, and why.
func (e *AlertError) Error() string {
	if e.Remote {
		return fmt.Sprintf("anontls: the peer sent %v", e.Alert)
	}
	return fmt.Sprintf("anontls: %s: %v", e.Reason, e.Alert)
}

// fault is an error that ends the connection with a fatal alert.
func fault(a Alert, format string, args ...any) error {
	return &AlertError{Alert: a, Reason: fmt.Sprintf(format, args...)}
}
