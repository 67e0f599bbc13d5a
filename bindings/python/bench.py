#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast the bindings are. Run by `make bench-python`; each command is also of use by itself.

    bench.py source --peer HOST:PORT --count N      publishes N times event 1 to /bench, each built anew
    bench.py sink --listen HOST:PORT --count N      receives N messages on /bench; with --events it makes an Event of each, and reads it
    bench.py store --count N                        gets and puts of a master in memory, by one thread
    bench.py convert                                Python objects to encoded values and back
    bench.py all --brokerctl PATH                   all of it, against the halves of `brokerctl bench` too, and a table

Source and sink speak what `brokerctl bench` speaks, without TLS, so that either can be a Go program (a Go source with --mesh). Every command prints one JSON object.
CPU time is that of the whole process, with the threads of the library.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time

EVENT = ("event_1", 42, "test")

# This folder has the sources of the package, which lack what is compiled: the installed one is meant.
sys.path[:] = [p for p in sys.path if os.path.abspath(p) != os.path.dirname(os.path.abspath(__file__))]


def endpoint():
    import broker
    options = broker.BrokerOptions()
    options.disable_ssl = True
    return broker.Endpoint(broker.Configuration(options))


def place(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


class Clock:
    """Wall and CPU time since start()."""

    def start(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def result(self, count, **more):
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        return {"messages": count, "seconds": round(wall, 3), "rate": int(count / wall), "cpu_us_per_message": round(cpu / count * 1e6, 3), **more}


def source(args):
    import broker
    Event, clock = broker.zeek.Event, Clock()
    with endpoint() as ep:
        if not ep.peer(*place(args.peer), 1):
            sys.exit("bench: no peer")
        publish = ep.publish
        clock.start()
        for _ in range(args.count):
            publish("/bench", Event(*EVENT))
        looped = time.perf_counter() - clock.wall
        ep.flush()
        return clock.result(args.count, publish_rate=int(args.count / looped))


def sink(args):
    import broker
    Event, clock, left = broker.zeek.Event, Clock(), args.count - 1
    with endpoint() as ep, ep.make_subscriber("/bench") as sub:
        if ep.listen(*place(args.listen)) == 0:
            sys.exit("bench: cannot listen")
        get = sub.get
        first = get(60.0)
        if first is None:
            sys.exit("bench: nobody published")
        clock.start()
        while left > 0:
            message = get(20.0)
            if message is None:
                sys.exit("bench: %d messages never came" % left)
            left -= 1
            if args.events:
                event = Event(message[1])
                if (event.name(), event.args()) != ("event_1", [42, "test"]):
                    sys.exit("bench: another event came: %r" % event)
        if message[1][2] != EVENT[:1] + (EVENT[1:],):
            sys.exit("bench: another message came: %r" % (message,))
        return clock.result(args.count)


def timed(f, count):
    """CPU and wall microseconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        f()
    return round((time.process_time() - cpu) / count * 1e6, 3), round((time.perf_counter() - wall) / count * 1e6, 3)


def store(args):
    import broker
    with endpoint() as ep:
        st = ep.attach_master("bench", broker.Backend.Memory)
        st.put("k", ("value", 1))
        get_cpu, get_wall = timed(lambda: st.get("k"), args.count)
        put_cpu, put_wall = timed(lambda: st.put("k", ("value", 1)), args.count)
        return {"get_us": get_wall, "get_cpu_us": get_cpu, "put_us": put_wall, "put_cpu_us": put_cpu}


def convert(args):
    """Values per second, counted with all that they contain; the loop is taken off."""
    import broker
    from broker import _native as native
    from ipaddress import IPv4Address
    cases = {
        "event 1": (broker.Count(1), broker.Count(1), EVENT[:1] + (EVENT[1:],)),
        "100 integers": tuple(range(100)),
        "100 strings": tuple("string %d" % i for i in range(100)),
        "table of 100": {i: i for i in range(100)},
        "100 addresses": tuple(IPv4Address(i) for i in range(100)),
    }
    result = {}
    for name, value in cases.items():
        raw, values = native.encode(value), values_in(value)
        count = max(200, args.count // values)
        idle = min(timed(lambda: None, count)[0] for _ in range(3))
        there = min(timed(lambda: native.encode(value), count)[0] for _ in range(3)) - idle
        back = min(timed(lambda: native.decode(raw), count)[0] for _ in range(3)) - idle
        result[name] = {"values": values, "encode_per_second": int(values / there * 1e6), "decode_per_second": int(values / back * 1e6)}
    return result


def values_in(value):
    if isinstance(value, tuple):
        return 1 + sum(map(values_in, value))
    if isinstance(value, dict):
        return 1 + sum(values_in(k) + values_in(v) for k, v in value.items())
    return 1


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def halves(sink_command, source_command, count):
    """Run a sink and a source against each other; what they printed."""
    at = "127.0.0.1:%d" % free_port()
    common = ["--count", str(count)]
    receiving = subprocess.Popen([*sink_command, "--listen", at, *common], stdout=subprocess.PIPE)
    try:
        sending = subprocess.run([*source_command, "--peer", at, *common], stdout=subprocess.PIPE, check=True, timeout=600)
        received = receiving.communicate(timeout=600)[0]
    finally:
        receiving.kill()
        receiving.wait()
    if receiving.returncode:
        sys.exit("bench: the sink failed")
    return json.loads(sending.stdout), json.loads(received)


def everything(args):
    me = [sys.executable, __file__]
    go = [args.brokerctl, "bench"]
    # Go's source is the faster one. With --mesh it waits for a subscriber who says that he is full; without, messages would be lost.
    rows = [
        ("Python to Go", [*go, "sink"], [*me, "source"], args.count),
        ("Go to Python", [*me, "sink"], [*go, "source", "--mesh"], args.count),
        ("Python to Python", [*me, "sink"], [*me, "source"], args.count),
        ("Python to Python, events read", [*me, "sink", "--events"], [*me, "source"], args.count),
        ("Go to Go", [*go, "sink"], [*go, "source"], args.count * 3),
    ]
    print("| event 1, one thread each | messages/s | source, us CPU a message | sink, us CPU a message |\n|---|---|---|---|")
    for name, sink_command, source_command, count in rows:
        runs = [halves(sink_command, source_command, count) for _ in range(args.runs)]
        rate, cpu_out, cpu_in = (statistics.median(r) for r in zip(*((i["rate"], o["cpu_us_per_message"], i["cpu_us_per_message"]) for o, i in runs)))
        print("| %s | %s | %.2f | %.2f |" % (name, format(int(rate), ","), cpu_out, cpu_in), flush=True)
    print("\nstore:  ", json.dumps(store(argparse.Namespace(count=args.count // 5))))
    for name, figures in convert(argparse.Namespace(count=args.count)).items():
        print("convert: %-14s %s" % (name, json.dumps(figures)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function, count in [("source", source, 1000000), ("sink", sink, 1000000), ("store", store, 200000), ("convert", convert, 1000000),
                                  ("all", everything, 1000000)]:
        command = commands.add_parser(name)
        command.set_defaults(function=function)
        command.add_argument("--count", type=int, default=count)
        if name == "source":
            command.add_argument("--peer", required=True, metavar="HOST:PORT")
        if name == "sink":
            command.add_argument("--listen", required=True, metavar="HOST:PORT")
            command.add_argument("--events", action="store_true")
        if name == "all":
            command.add_argument("--brokerctl", default="bin/brokerctl", metavar="PATH")
            command.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    result = args.function(args)
    if result is not None:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
