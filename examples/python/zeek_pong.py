# SPDX-License-Identifier: Apache-2.0
"""Does what ping.zeek does, for those who have no Zeek: python3 zeek_pong.py [PORT]"""

import sys

import broker
from broker import SC, zeek

with broker.Endpoint() as ep, ep.make_subscriber("/topic/test") as sub, \
        ep.make_status_subscriber(True) as statuses:
    port = ep.listen("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 9999)
    if port == 0:
        sys.exit("could not listen")
    print("listening on", port, flush=True)

    gone = (SC.PeerLost, SC.PeerRemoved)
    while not any(type(s) == broker.Status and s.code() in gone for s in statuses.poll()):
        for topic, message in sub.get(1, 0.1):
            event = zeek.Event(message)
            if event.valid() and event.name() == "ping":
                ep.publish(topic, zeek.Event("pong", *event.args()))
