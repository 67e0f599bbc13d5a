# SPDX-License-Identifier: Apache-2.0
"""Dataclasses as records, as Zeek sends them: a vector of the fields."""

import ipaddress
import typing
from dataclasses import dataclass

import broker
from broker import Count


@dataclass
class Seen:
    host: ipaddress.IPv4Address
    times: Count
    note: typing.Optional[str] = None


with broker.Endpoint() as ep1, broker.Endpoint() as ep2, ep1.make_subscriber("/seen") as sub:
    ep2.peer("127.0.0.1", ep1.listen("127.0.0.1", 0), 1.0)

    ep2.publish("/seen", broker.to_broker(Seen(ipaddress.ip_address("10.0.0.1"), 3)))
    topic, value = sub.get()
    print(value)
    print(broker.from_broker(Seen, value))

    try:
        broker.from_broker(Seen, ("10.0.0.1", Count(3)))
    except TypeError as e:
        print(e)
