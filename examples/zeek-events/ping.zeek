# The other side of this example: run it with `zeek ping.zeek`.
redef exit_only_after_terminate = T;

global pong: event(text: string, n: count);

event ping(text: string, n: count)
	{
	Broker::publish("/topic/test", pong, text, n);
	}

event zeek_init()
	{
	Broker::subscribe("/topic/test");
	Broker::listen("127.0.0.1", 9999/tcp);
	}
