# SPDX-License-Identifier: Apache-2.0
# The other side of zeek_ping.py: answers each ping with a pong.
redef exit_only_after_terminate = T;

global pong: event(n: int);

event ping(n: int)
	{
	Broker::publish("/topic/test", pong, n);
	}

event zeek_init()
	{
	Broker::subscribe("/topic/test");
	Broker::listen("127.0.0.1", 9999/tcp);
	}

event Broker::peer_lost(endpoint: Broker::EndpointInfo, msg: string)
	{
	terminate();
	}
