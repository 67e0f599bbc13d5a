# SPDX-License-Identifier: Apache-2.0
"""A data store as a dict, and its changes as they happen."""

import broker

with broker.Endpoint() as ep:
    store = ep.attach_master("lights", broker.Backend.Memory)

    with store.watch() as changes:
        store["kitchen"] = "on"
        store["kitchen"] = "off"
        store["hall"] = "on"
        del store["hall"]
        for change in changes.get(4):
            print(change.kind, change.key, change.old, "->", change.new)

    print("kitchen" in store, "hall" in store, len(store), dict(store.items()))

    # Set only if it is what it was, from whatever endpoint.
    print(store.compare_and_set("kitchen", "off", "dimmed"), store.compare_and_set("kitchen", "off", "on"))

    try:
        store.call("increment", "kitchen", 1)
    except broker.DataTypeError as e:
        print(type(e).__name__, e.code == broker.EC.TypeClash)
