# SPDX-License-Identifier: Apache-2.0
"""How many events a Python program sends and receives each second, between two processes:

    python3 throughput.py serve [PORT] &
    python3 throughput.py 1|2|3 [PORT [ROUNDS]]

The first counts events on /benchmark/events and reports twice a second in events "stats_update" on
/benchmark/stats; the second sends batches of 5000 events of the kind event_1, event_2 or event_3.
"""

import datetime
import sys
import time

import broker
from broker import Count, zeek

BATCH = 5000


def arguments(kind):
    """The arguments of event_1, event_2 and event_3: from slim to broad."""
    now = datetime.datetime.now(broker.utc)
    one = (42, "test")
    two = one + (Count(7), 1.5, now, ("a", "b", "c"))
    three = two + ({"x": {1, 2, 3}, "y": {4, 5}}, {"10.0.0.1": ("up", now)})
    return (one, two, three)[kind - 1]


def serve(port):
    with broker.Endpoint() as ep, ep.make_subscriber("/benchmark/events") as sub, \
            ep.make_status_subscriber(True) as statuses:
        print("listening on", ep.listen("127.0.0.1", port), flush=True)
        total, start = 0, time.monotonic()
        while not any(s.code() == broker.SC.EndpointUnreachable for s in statuses.poll()):
            total += len(sub.get(BATCH, 0.5))
            now = time.monotonic()
            if now - start >= 0.5:
                span = datetime.timedelta(seconds=now - start)
                ep.publish("/benchmark/stats", zeek.Event("stats_update", span, Count(total)))
                total, start = 0, now


def send(kind, port, rounds):
    with broker.Endpoint() as ep, ep.make_subscriber("/benchmark/stats") as stats:
        ep.peer("127.0.0.1", port, 1.0)
        batch = [("/benchmark/events", zeek.Event("event_%d" % kind, *arguments(kind)))] * BATCH
        while rounds > 0:
            ep.publish_batch(*batch)
            for topic, message in stats.poll():
                span, total = zeek.Event(message).args()
                if total.value > 0:
                    print("%d events/s received" % (total.value / span.total_seconds()), flush=True)
                    rounds -= 1


if __name__ == "__main__":
    at = int(sys.argv[2]) if len(sys.argv) > 2 else 9999
    if sys.argv[1:2] == ["serve"]:
        serve(at)
    else:
        send(int(sys.argv[1]), at, int(sys.argv[3]) if len(sys.argv) > 3 else 10)
