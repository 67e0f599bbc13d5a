# SPDX-License-Identifier: Apache-2.0
"""Several messages at once, and what becomes of Python's values on the way."""

import ipaddress

import broker

with broker.Endpoint() as ep1, broker.Endpoint() as ep2, ep1.make_subscriber("/test") as s1:
    ep2.peer("127.0.0.1", ep1.listen("127.0.0.1", 0), 1.0)

    ep2.publish("/test/1", ())
    ep2.publish_batch(("/test/2", [1, 2, 3]),
                      ("/test/3", (42, "foo", {"a": "A", "b": ipaddress.IPv4Address("1.2.3.4")})))

    messages = s1.get(3)  # an int is a number of messages, a float would be a time-out
    for topic, value in messages:
        print(topic, value)
    print("left:", s1.available())

    table = messages[2][1][2]
    table["a"] = "changed"  # what was received is a copy, and one's own
    print(table["a"])
