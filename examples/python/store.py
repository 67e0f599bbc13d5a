# SPDX-License-Identifier: Apache-2.0
"""A data store, and everything that can be done with it."""

import broker

with broker.Endpoint() as ep:
    store = ep.attach_master("test", broker.Backend.Memory)

    store.put("key", "value")
    print(store.get("key"), store.get("nothing"))
    print(store.put_unique("key", "other"), store.exists("key"))

    for key, value in (("e", 1), ("f", 2), ("str", "b"), ("set", {1, 2}), ("table", {1: "A", "2": "C"}),
                       ("vec", (1, 2))):
        store.put(key, value)
    store.increment("e", 1)
    store.decrement("f", 1)
    store.append("str", "ar")
    store.insert_into("set", 3)
    store.remove_from("set", 1)
    store.insert_into("table", 3, "D")
    store.remove_from("table", 1)
    store.push("vec", 3)
    store.push("vec", 4)
    store.pop("vec")
    for key in ("e", "f", "str", "set", "table", "vec"):
        print("%-5s %s" % (key, broker.Data(store.get(key))))

    print(store.get_index_from_value("set", 3), store.get_index_from_value("table", 3))

    store.put("short", 1, 0.05)  # goes away by itself after 50 ms
    while store.exists("short"):
        pass
    store.clear()
    print(store.keys())
