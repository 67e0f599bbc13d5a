# SPDX-License-Identifier: Apache-2.0
"""Events to and from Zeek. On the other side runs ping.zeek, or zeek_pong.py if there is no Zeek:

    zeek ping.zeek &  python3 zeek_ping.py [PORT]
"""

import sys

import broker
from broker import zeek

port = int(sys.argv[1]) if len(sys.argv) > 1 else 9999

with broker.Endpoint() as ep, ep.make_subscriber("/topic/test") as sub, \
        ep.make_status_subscriber(True) as statuses:
    ep.peer("127.0.0.1", port)

    # Statuses come in this order; a program that only waits for the first one sees no PeerAdded.
    discovered, added = statuses.get(2)
    if added.code() != broker.SC.PeerAdded:
        sys.exit("could not connect")

    for n in range(5):
        ep.publish("/topic/test", zeek.Event("ping", n))
        while True:
            topic, message = sub.get()
            pong = zeek.Event(message)
            if pong.valid() and pong.name() == "pong":
                break
        print("received %s%s" % (pong.name(), pong.args()))
