// SPDX-License-Identifier: Apache-2.0

package node

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/brokermesh/brokermesh/pkg/broker"
)

// peersOnly collects the details of fixed peers.
type peersOnly []broker.PeerInfo

// Describe sends nothing.
func (peersOnly) Describe(chan<- *prometheus.Desc) {}

// Collect sends the details.
func (p peersOnly) Collect(out chan<- prometheus.Metric) { collectDetails(out, p) }

// TestPeerDetails adds up the connections of one peer and leaves out what is not known.
func TestPeerDetails(t *testing.T) {
	const uri = "brokermesh://x/node/b"
	p := peersOnly{
		{Name: "a-b", Address: "h:1", URI: uri, Dialed: true, RTT: 2 * time.Millisecond, Flaps: 3, BytesIn: 10, Drops: map[broker.DropCause]uint64{broker.DropPeerQueue: 4}},
		{Name: "a-b", Address: "h:2", URI: uri, Dialed: true, RTT: 4 * time.Millisecond, Flaps: 1, BytesOut: 5, Confirmed: 7, InDoubt: 6, DroppedTopics: map[string]uint64{"/a/b": 3}, Drops: map[broker.DropCause]uint64{broker.DropPeerQueue: 1, broker.DropTTL: 2}},
		{Address: "h:3"},
	}
	labels := `{peer="` + uri + `",peering="a-b"} `
	want := []string{
		`broker_peer_discarded_messages_total{cause="peer_queue",peer="` + uri + `",peering="a-b"} 5`,
		`broker_peer_discarded_messages_total{cause="ttl",peer="` + uri + `",peering="a-b"} 2`,
		"broker_peer_confirmed_messages_total" + labels + "7",
		`broker_peer_confirmed_messages_total{peer="h:3",peering=""} 0`,
		`broker_peer_dropped_by_topic_messages_total{peer="` + uri + `",peering="a-b",topic="/a/b"} 3`,
		"broker_peer_flaps_total" + labels + "4",
		"broker_peer_in_doubt_messages_total" + labels + "6",
		"broker_peer_received_bytes_total" + labels + "10",
		`broker_peer_received_bytes_total{peer="h:3",peering=""} 0`,
		"broker_peer_round_trip_seconds" + labels + "0.004",
		"broker_peer_sent_bytes_total" + labels + "5",
		`broker_peer_sent_bytes_total{peer="h:3",peering=""} 0`,
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(p)
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	var got []string
	for line := range strings.Lines(answer.Body.String()) {
		if !strings.HasPrefix(line, "#") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
