# SPDX-License-Identifier: Apache-2.0
"""A message, and an answer to it."""

import select

import broker

with broker.Endpoint() as ep1, broker.Endpoint() as ep2:
    with ep1.make_subscriber("/test") as s1, ep2.make_subscriber("/test") as s2:
        ep2.peer("127.0.0.1", ep1.listen("127.0.0.1", 0), 1.0)

        ep2.publish("/test", ["ping"])
        topic, value = s1.get()  # waits
        print(topic, value)

        ep1.publish("/test", ["pong"])
        select.select([s2], [], [])  # a subscriber can be waited for like a socket
        print(s2.poll())  # never waits
