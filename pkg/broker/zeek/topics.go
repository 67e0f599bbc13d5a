// SPDX-License-Identifier: Apache-2.0

package zeek

import "github.com/brokermesh/brokermesh/pkg/broker/data"

// Topics of a Zeek cluster (spec/zeek.md 5). Subscriptions are prefixes.
const (
	LoggerTopic  = "zeek/cluster/logger"
	ManagerTopic = "zeek/cluster/manager"
	ProxyTopic   = "zeek/cluster/proxy"
	WorkerTopic  = "zeek/cluster/worker"
	// LogsPrefix is what topics of log streams begin with.
	LogsPrefix = "zeek/logs/"
)

// NodeTopic is the topic of the node with that name. Its slash at the end keeps
// worker-1 from matching worker-10.
func NodeTopic(name string) string { return "zeek/cluster/node/" + name + "/" }

// NodeIDTopic is the topic of the node whose endpoint has that ID.
func NodeIDTopic(id data.EndpointID) string { return "zeek/cluster/nodeid/" + id.String() + "/" }

// LogTopic is the topic of a log stream such as Conn::LOG.
func LogTopic(stream string) string { return LogsPrefix + stream }
