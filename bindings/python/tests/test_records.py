# SPDX-License-Identifier: Apache-2.0
"""Dataclasses as records."""

import datetime
import enum
import ipaddress
import typing
import unittest
from dataclasses import dataclass, field

import broker
from broker import Count, Data, Enum, Port, from_broker, to_broker


class Proto(enum.Enum):
    tcp = 1
    udp = 2


@dataclass
class Endpoint:
    host: ipaddress.IPv4Address
    port: Port


@dataclass
class Conn:
    uid: str
    orig: Endpoint
    packets: Count
    proto: Proto
    tags: typing.Set[str] = field(default_factory=set)
    sizes: typing.List[int] = field(default_factory=list)
    notes: typing.Dict[str, Endpoint] = field(default_factory=dict)
    service: typing.Optional[str] = None


ENDPOINT = Endpoint(ipaddress.IPv4Address("1.2.3.4"), Port(80, Port.TCP))
CONN = Conn("C1", ENDPOINT, Count(7), Proto.udp, {"a", "b"}, [1, 2], {"x": ENDPOINT}, "http")
TEXT = "(C1, (1.2.3.4, 80/tcp), 7, udp, {a, b}, (1, 2), {x -> (1.2.3.4, 80/tcp)}, http)"


class Records(unittest.TestCase):
    def test_out(self):
        self.assertEqual(str(Data(to_broker(CONN))), TEXT)
        self.assertEqual(to_broker([ENDPOINT, 5]), ((ENDPOINT.host, ENDPOINT.port), 5))

    def test_there_and_back(self):
        received = Data.to_py(Data(to_broker(CONN)))
        self.assertEqual(from_broker(Conn, received), CONN)
        self.assertEqual(from_broker(Conn, Data(received)), CONN)

    def test_ints_become_counts(self):
        conn = Conn("C1", ENDPOINT, 7, Proto.udp)
        self.assertEqual(to_broker(conn)[2], Count(7))
        conn.packets = -1
        with self.assertRaisesRegex(OverflowError, "packets"):
            to_broker(conn)

    def test_defaults(self):
        short = ("C1", (ENDPOINT.host, ENDPOINT.port), Count(1), Enum("tcp"))
        conn = from_broker(Conn, short)
        self.assertEqual((conn.proto, conn.tags, conn.sizes, conn.service), (Proto.tcp, set(), [], None))

    def test_table_by_names(self):
        self.assertEqual(from_broker(Endpoint, {"port": ENDPOINT.port, "host": ENDPOINT.host}), ENDPOINT)

    def test_what_does_not_fit(self):
        for value, path in ((5, "value"), (("C1",), "orig"), ((1, 2, 3, 4), "uid"),
                            (("C1", (1, 2), Count(1), Enum("tcp")), "value.orig.host"),
                            (("C1", (ENDPOINT.host, ENDPOINT.port), Count(1), Enum("no")), "value.proto"),
                            (to_broker(CONN) + (1,), "value")):
            with self.subTest(repr(value)):
                with self.assertRaisesRegex(TypeError, path):
                    from_broker(Conn, value)

    def test_hints(self):
        for hint, value, result in ((int, Count(5), 5), (float, 5, 5.0), (str, "x", "x"), (bytes, "x", b"x"),
                                    (typing.List[int], (1, 2), [1, 2]), (typing.Tuple[int, ...], (1, 2), (1, 2)),
                                    (typing.Tuple[int, str], (1, "x"), (1, "x")), (typing.Any, 5, 5),
                                    (typing.Optional[int], None, None), (typing.Union[int, str], "x", "x"),
                                    (typing.Dict[str, float], {"a": 1}, {"a": 1.0}),
                                    (datetime.timedelta, datetime.timedelta(1), datetime.timedelta(1))):
            with self.subTest(str(hint)):
                got = from_broker(hint, value)
                self.assertEqual((got, type(got)), (result, type(result)))
        for hint, value in ((int, "x"), (int, None), (int, True), (str, 5), (typing.List[int], ("x",)),
                            (typing.Tuple[int, str], (1,)), (typing.Dict[str, int], (1,))):
            with self.subTest("%s %r" % (hint, value)):
                self.assertRaises(TypeError, from_broker, hint, value)

    def test_in_events_and_stores(self):
        event = broker.zeek.Event("seen", *to_broker([CONN]))
        self.assertEqual(from_broker(Conn, event.args()[0]), CONN)


if __name__ == "__main__":
    unittest.main()
