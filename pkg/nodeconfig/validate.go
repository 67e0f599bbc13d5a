// SPDX-License-Identifier: Apache-2.0

package nodeconfig

import (
	"cmp"
	"fmt"
	"math"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a document. They are no tighter than those of the manifests that documents are compiled from.
const (
	MaxPeers             = 4096
	MaxStores            = 1024
	MaxSubscriptions     = 256
	MaxSubscription      = 4096
	MaxStoreName         = 1024
	MaxNodeName          = 40
	MaxRetrySeconds      = 86400
	MaxStaleAfterSeconds = 1e9
	MaxPods              = 100
)

// Problem is a value that is not allowed.
type Problem struct {
	// Field is the path of the field, such as peers[2].address.
	Field string
	// Found is the value, shortened where it is long; Allowed says what would do.
	Found, Allowed string
}

// Error is "FIELD: FOUND: allowed: ALLOWED".
func (p Problem) Error() string {
	return p.Field + ": " + p.Found + ": allowed: " + p.Allowed
}

// Problems are all values of a document that are not allowed.
type Problems []Problem

// Error joins the problems in one line; after five it only counts.
func (p Problems) Error() string {
	const most = 5
	words := make([]string, 0, most+1)
	for _, x := range p[:min(len(p), most)] {
		words = append(words, x.Error())
	}
	if len(p) > most {
		words = append(words, fmt.Sprintf("and %d more", len(p)-most))
	}
	return strings.Join(words, "; ")
}

// Validate checks every value. The error is [Problems], with all of them.
func (c Config) Validate() error {
	var v validation
	if c.Version != Version {
		v.add("version", c.Version, strconv.Itoa(Version))
	}
	if c.Revision < 0 {
		v.add("revision", c.Revision, "0 or more")
	}
	v.match("namespace", c.Namespace, labelPattern, 63)
	v.match("node", c.Node, nodePattern, MaxNodeName)
	v.pod("pod", c.Pod, c.Node)
	v.port("listenPort", c.ListenPort)
	v.port("webSocketPort", c.WebSocketPort)
	if c.WebSocketPort == cmp.Or(c.ListenPort, DefaultListenPort) {
		v.add("webSocketPort", c.WebSocketPort, "another port than listenPort")
	}
	v.oneOf("tls", c.TLS, "", TLSMesh, TLSDisabled, TLSAnonymous)
	v.webSocket(c)
	v.oneOf("forward", c.Forward, "", ForwardMesh, ForwardNone, ForwardAll)
	v.oneOf("logLevel", c.LogLevel, "", LogDebug, LogInfo, LogWarn, LogError)
	v.queues(c.Queues)
	v.subscriptions(c.Subscriptions)
	v.peers(c.Peers)
	v.accepts(c.Accept)
	v.stores(c.Stores)
	if len(v.found) > 0 {
		return v.found
	}
	return nil
}

var (
	labelPattern  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	nodePattern   = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
	objectPattern = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`)
	backupPattern = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z[.]jsonl[.]gz$`)
	hostPattern   = regexp.MustCompile(`^[A-Za-z0-9_]([-_A-Za-z0-9.]*[A-Za-z0-9_.])?$`)
)

type validation struct{ found Problems }

func (v *validation) add(field string, found any, allowed string) {
	text, ok := found.(string)
	if ok {
		text = strconv.Quote(clip(text))
	} else {
		text = fmt.Sprint(found)
	}
	v.found = append(v.found, Problem{Field: field, Found: text, Allowed: allowed})
}

func (v *validation) match(field, value string, pattern *regexp.Regexp, most int) {
	if len(value) > most || !pattern.MatchString(value) {
		v.add(field, value, fmt.Sprintf("%s, at most %d characters", pattern, most))
	}
}

func (v *validation) oneOf(field, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.add(field, value, strings.TrimPrefix(strings.Join(allowed, ", "), ", "))
	}
}

func (v *validation) port(field string, port int) {
	if port < 0 || port > math.MaxUint16 || port == ControlPort || port == HTTPPort {
		v.add(field, port, fmt.Sprintf("0 to 65535, except %d and %d", ControlPort, HTTPPort))
	}
}

func (v *validation) seconds(field string, value, most float64) {
	if !(value >= 0 && value <= most) { // NaN too
		v.add(field, value, fmt.Sprintf("0 to %g", most))
	}
}

// text checks a string that people choose freely.
func (v *validation) text(field, value string, least, most int) bool {
	switch {
	case len(value) < least:
		v.add(field, value, "not empty")
	case len(value) > most:
		v.found = append(v.found, Problem{field, fmt.Sprintf("%d bytes", len(value)), fmt.Sprintf("at most %d bytes", most)})
	case !utf8.ValidString(value):
		v.add(field, value, "UTF-8")
	default:
		return true
	}
	return false
}

// pod checks that a pod is one of its node: NODE-0 to NODE-99.
func (v *validation) pod(field, pod, node string) {
	number, ok := strings.CutPrefix(pod, node+"-")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 0 || n >= MaxPods || strconv.Itoa(n) != number {
		v.add(field, pod, fmt.Sprintf("%q and a number from 0 to %d", clip(node)+"-", MaxPods-1))
	}
}

func (v *validation) subscriptions(list []string) {
	if len(list) > MaxSubscriptions {
		v.add("subscriptions", len(list), fmt.Sprintf("at most %d", MaxSubscriptions))
		return
	}
	for i, s := range list {
		v.text(fmt.Sprintf("subscriptions[%d]", i), s, 0, MaxSubscription)
	}
}

func (v *validation) peers(list []Peer) {
	if len(list) > MaxPeers {
		v.add("peers", len(list), fmt.Sprintf("at most %d", MaxPeers))
		return
	}
	addresses := make(map[string]bool, len(list))
	links := make(map[string]bool, len(list))
	for i, p := range list {
		at := fmt.Sprintf("peers[%d].", i)
		v.match(at+"name", p.Name, objectPattern, 253)
		v.address(at+"address", p.Address)
		v.seconds(at+"retrySeconds", p.RetrySeconds, MaxRetrySeconds)
		v.peerQueues(at+"queues.", p.Queues)
		v.oneOf(at+"tls", p.TLS, "", TLSMesh, TLSDisabled, TLSAnonymous)
		if p.Node != "" || p.Pod != "" {
			v.match(at+"node", p.Node, nodePattern, MaxNodeName)
			v.pod(at+"pod", p.Pod, p.Node)
		}
		if addresses[p.Address] {
			v.add(at+"address", p.Address, "each address once")
		}
		link := p.Name + " " + cmp.Or(p.Pod, p.Address)
		if links[link] {
			v.add(at+"name", p.Name, "each peering once for a pod")
		}
		addresses[p.Address], links[link] = true, true
	}
}

func (v *validation) address(field, address string) {
	if !ValidAddress(address) {
		v.add(field, address, "HOST:PORT")
	}
}

// ValidAddress reports whether the text is HOST:PORT with a name or an IP address (IPv6 in brackets) and a port from 1 to
// 65535. Nothing is resolved.
func ValidAddress(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil || len(host) > 255 {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return false
	}
	if strings.Contains(host, ":") {
		_, err := netip.ParseAddr(host)
		return err == nil
	}
	return hostPattern.MatchString(host)
}

// clip shortens what is shown of a value.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
