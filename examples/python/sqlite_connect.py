# SPDX-License-Identifier: Apache-2.0
"""Has a clone of the store of sqlite_listen.py, and counts: python3 sqlite_connect.py [PORT [ROUNDS [SECONDS]]]"""

import sys
import time

import broker

arguments = sys.argv[1:] + ["9999", "5", "1.0"][len(sys.argv) - 1:]
port, rounds, pause = int(arguments[0]), int(arguments[1]), float(arguments[2])

with broker.Endpoint() as ep, ep.make_status_subscriber(True) as statuses:
    ep.peer("127.0.0.1", port, 1.0)
    discovered, added = statuses.get(2)
    if added.code() != broker.SC.PeerAdded:
        sys.exit("could not connect")

    store = ep.attach_clone("mystore")
    for _ in range(rounds):
        store.increment("foo", 1)
        # A clone doesn't wait for its master: the value may be that of a moment ago.
        print(store.get("foo"), flush=True)
        time.sleep(pause)
    store.await_idle()
    print("at last", store.get("foo"))
