# SPDX-License-Identifier: Apache-2.0
"""Has the master of a store in an SQLite file, and shows it: python3 sqlite_listen.py [PORT [FILE]]"""

import sys

import broker

port = int(sys.argv[1]) if len(sys.argv) > 1 else 9999
path = sys.argv[2] if len(sys.argv) > 2 else "mystore.sqlite"

with broker.Endpoint() as ep, ep.make_status_subscriber(True) as statuses:
    store = ep.attach_master("mystore", broker.Backend.SQLite, {"path": path})
    if store is None:
        sys.exit("could not open " + path)
    port = ep.listen("127.0.0.1", port)
    if port == 0:
        sys.exit("could not listen")
    print("listening on", port, "with foo", store.get("foo"), flush=True)

    while True:
        status = statuses.get()
        print(status.code(), store.get("foo"), flush=True)
        if type(status) == broker.Status and status.code() == broker.SC.EndpointUnreachable:
            break
