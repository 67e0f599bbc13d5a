# SPDX-License-Identifier: Apache-2.0
"""From Python's values to Broker's, and back."""

import collections
import datetime
import decimal
import enum
import ipaddress
import math
import types
import unittest

import broker
from broker import Count, Data, Enum, ImmutableData, Port, Timespan, Timestamp

T = Data.Type
utc = broker.utc
delta = datetime.timedelta
v4, v6 = ipaddress.IPv4Address, ipaddress.IPv6Address
net4, net6 = ipaddress.IPv4Network, ipaddress.IPv6Network

# value, type, text, what comes back (None: the same)
BOTH_WAYS = [
    (None, T.Nil, "nil"),
    (True, T.Boolean, "T"),
    (False, T.Boolean, "F"),
    (0, T.Integer, "0"),
    (42, T.Integer, "42"),
    (-42, T.Integer, "-42"),
    (5123123123, T.Integer, "5123123123"),
    (2**63 - 1, T.Integer, "9223372036854775807"),
    (-2**63, T.Integer, "-9223372036854775808"),
    (Count(0), T.Count, "0"),
    (Count(5123123123), T.Count, "5123123123"),
    (Count(2**64 - 1), T.Count, "18446744073709551615"),
    (1e18, T.Real, "1000000000000000000.000000"),
    (4.2, T.Real, "4.200000"),
    (-0.0, T.Real, "-0.000000"),
    (math.inf, T.Real, "inf"),
    (-math.inf, T.Real, "-inf"),
    ("", T.String, ""),
    ("a\tb\nc", T.String, "a\tb\nc"),
    ("\u00e4\u20ac\U0001f600", T.String, "\u00e4\u20ac\U0001f600"),
    ("with\0nul", T.String, "with\0nul"),
    (delta(milliseconds=-1), T.Timespan, "-1000000ns"),
    (delta(seconds=-42), T.Timespan, "-42000000000ns"),
    (delta(milliseconds=1, microseconds=2), T.Timespan, "1002000ns"),
    (delta(days=1, seconds=2, microseconds=3), T.Timespan, "86402000003000ns"),
    (datetime.datetime(1970, 1, 31, tzinfo=utc), T.Timestamp, "2592000000000000ns"),
    (datetime.datetime(2040, 1, 31, tzinfo=utc), T.Timestamp, "2211580800000000000ns"),
    (v4("0.0.0.0"), T.Address, "0.0.0.0"),
    (v4("1.2.3.4"), T.Address, "1.2.3.4"),
    (v4("255.255.255.255"), T.Address, "255.255.255.255"),
    (v6("::"), T.Address, "::"),
    (v6("::1"), T.Address, "::1"),
    (v6("2001:db8::5"), T.Address, "2001:db8::5"),
    (net4("0.0.0.0/0"), T.Subnet, "0.0.0.0/0"),
    (net4("10.0.0.0/8"), T.Subnet, "10.0.0.0/8"),
    (net4("1.2.3.4/32"), T.Subnet, "1.2.3.4/32"),
    (net6("::/0"), T.Subnet, "::/0"),
    (net6("::1/128"), T.Subnet, "::1/128"),
    (net6("fc00::/7"), T.Subnet, "fc00::/7"),
    (Port(65535, Port.TCP), T.Port, "65535/tcp"),
    (Port(53, Port.UDP), T.Port, "53/udp"),
    (Port(8, Port.ICMP), T.Port, "8/icmp"),
    (Port(), T.Port, "0/?"),
    (Enum("Log::UNKNOWN"), T.EnumValue, "Log::UNKNOWN"),
    ((), T.Vector, "()"),
    ((42, "foo", None), T.Vector, "(42, foo, nil)"),
    ((1, (2, (3, ())), {}), T.Vector, "(1, (2, (3, ())), {})"),
    (set(), T.Set, "{}"),
    ({3, 1, 2}, T.Set, "{1, 2, 3}"),
    ({"foo", 5, True, (1,), v6("::1")}, T.Set, "{T, 5, foo, ::1, (1)}"),
    ({}, T.Table, "{}"),
    ({"c": 3, "a": 1, "b": 2}, T.Table, "{a -> 1, b -> 2, c -> 3}"),
    ({(1, 2, 3): (4, 5, 6), Port(22, Port.TCP): False, True: 42, 13: "test"}, T.Table,
     "{T -> 42, 13 -> test, 22/tcp -> F, (1, 2, 3) -> (4, 5, 6)}"),
]

# value, type, text, what comes back
ONE_WAY = [
    (b"abc", T.String, "abc", "abc"),
    ([1, [2]], T.Vector, "(1, (2))", (1, (2,))),
    (frozenset([1, 2]), T.Set, "{1, 2}", {1, 2}),
    (types.MappingProxyType({"a": 1}), T.Table, "{a -> 1}", {"a": 1}),
    (collections.OrderedDict([("b", 1), ("a", 2)]), T.Table, "{a -> 2, b -> 1}", {"a": 2, "b": 1}),
    (ipaddress.ip_interface("1.2.3.4/8"), T.Address, "1.2.3.4", v4("1.2.3.4")),
    (v6("::ffff:1.2.3.4"), T.Address, "1.2.3.4", v4("1.2.3.4")),
    (Timespan(1500000000), T.Timespan, "1500000000ns", delta(seconds=1.5)),
    (Timestamp(1.5), T.Timestamp, "1500000000ns",
     datetime.datetime(1970, 1, 1, 0, 0, 1, 500000, utc)),
    (Data("x"), T.String, "x", "x"),
    ([Data(1), [Data(Count(2))]], T.Vector, "(1, (2))", (1, (Count(2),))),
]


class Mapping(unittest.TestCase):
    def check(self, value, kind, text, back):
        for d in (Data(value), Data.from_py(value)):
            self.assertEqual(d.get_type(), kind)
            self.assertEqual(str(d), text)
            self.assertEqual(Data.to_py(d), back)
            self.assertIs(type(Data.to_py(d)), type(back))
            self.assertEqual(Data(Data.to_py(d)), d)

    def test_both_ways(self):
        for value, kind, text in BOTH_WAYS:
            with self.subTest(repr(value)):
                self.check(value, kind, text, value)

    def test_one_way(self):
        for value, kind, text, back in ONE_WAY:
            with self.subTest(repr(value)):
                self.check(value, kind, text, back)

    def test_nan(self):
        d = Data(math.nan)
        self.assertEqual(d.get_type(), T.Real)
        self.assertTrue(math.isnan(Data.to_py(d)))
        self.assertIn(str(d), ("nan", "-nan"))

    def test_negative_zero(self):
        self.assertEqual(math.copysign(1, Data.to_py(Data(-0.0))), -1)

    def test_strings_that_are_not_text(self):
        for raw in (b"\xff", b"ab\x80", b"\xed\xa0\x80", b"\xc0\x80"):
            with self.subTest(raw):
                d = Data(raw)
                self.assertEqual(Data.to_py(d), raw)
                self.assertIs(type(Data.to_py(d)), bytes)
                self.assertEqual(d.as_string(), raw)
                self.assertRaises(UnicodeDecodeError, str, d)

    def test_count_stays_count(self):
        self.assertIs(type(Data.to_py(Data(Count(1)))), Count)
        self.assertNotEqual(Data(1), Data(Count(1)))
        self.assertEqual([type(x) for x in Data.to_py(Data([Count(1), 1]))], [Count, int])

    def test_subclasses(self):
        pair = collections.namedtuple("pair", "a b")
        class Name(str):
            pass
        class Level(enum.IntEnum):
            LOW = 1
        for value, text in ((pair(1, 2), "(1, 2)"), (Name("x"), "x"), (Level.LOW, "1"),
                            (collections.Counter(a=1), "{a -> 1}")):
            with self.subTest(repr(value)):
                self.assertEqual(str(Data(value)), text)

    def test_sets_and_tables_lose_what_is_equal(self):
        self.assertEqual(str(Data({"a", b"a"})), "{a}")
        self.assertEqual(len(Data({"a": 1, b"a": 2}).as_table()), 1)

    def test_equal_keys_of_python_collapse(self):
        table = broker.Table()
        for key in (1, 1.0, True):
            table[Data(key)] = Data("x")
        self.assertEqual(len(table), 3)
        self.assertEqual(Data.to_py(Data(table)), {1: "x"})


class Times(unittest.TestCase):
    def test_round_trip(self):
        east = datetime.timezone(delta(hours=5, minutes=30))
        for given in (datetime.datetime(2020, 2, 29, 12, 30, 15, 123456, utc),
                      datetime.datetime(1970, 1, 31, tzinfo=datetime.timezone.utc),
                      datetime.datetime(2040, 1, 31, 1, 2, 3, 4, utc),
                      datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, utc),
                      datetime.datetime(2021, 6, 1, 0, 0, 0, 1, east),
                      datetime.datetime.now(utc)):
            with self.subTest(str(given)):
                back = Data.to_py(Data(given))
                self.assertLessEqual(abs(back - given), delta(microseconds=1))
                self.assertIs(back.tzinfo, utc)

    def test_naive_is_local(self):
        given = datetime.datetime(2020, 7, 1, 12, 0, 0, 250000)
        back = Data.to_py(Data(given))
        self.assertLessEqual(abs(back - given.astimezone()), delta(microseconds=1))
        self.assertIs(back.tzinfo, utc)

    def test_below_a_microsecond_is_lost(self):
        self.assertIn(Data.to_py(Data(Timespan(1500))), (delta(microseconds=1), delta(microseconds=2)))

    def test_far_away(self):
        for value in (delta(days=365 * 300), delta.max, delta.min,
                      datetime.datetime(2400, 1, 1, tzinfo=utc),
                      datetime.datetime(1600, 1, 1, tzinfo=utc)):
            with self.subTest(str(value)):
                self.assertRaises(OverflowError, Data, value)

    def test_infinite(self):
        back = Data.to_py(Data(broker._broker.Infinite()))
        self.assertAlmostEqual(back.total_seconds(), (2**63 - 1) / 1e9, delta=1)

    def test_now(self):
        self.assertEqual(Data(broker.now()).get_type(), T.Timestamp)


class Refusals(unittest.TestCase):
    def test_unsupported(self):
        for value in (1j, decimal.Decimal(1), range(3), iter([]), broker.Topic("/x"), object(),
                      bytearray(b"x"), memoryview(b"x"), datetime.date(2020, 1, 1),
                      datetime.time(1), collections.ChainMap({}), collections.UserDict(),
                      collections.deque([1]), (x for x in ()), len, int):
            with self.subTest(repr(value)):
                with self.assertRaisesRegex(TypeError, "unsupported data type: <class '"):
                    Data(value)
                self.assertRaises(TypeError, Data.from_py, value)

    def test_the_message_names_the_type(self):
        with self.assertRaisesRegex(TypeError, r"unsupported data type: <class 'complex'>"):
            Data(1j)

    def test_the_message_names_the_place(self):
        with self.assertRaisesRegex(TypeError,
                                    r'value\[3\]\["a"\]: unsupported data type: <class \'complex\'>'):
            Data([0, 1, 2, {"a": 1j}])
        with self.assertRaisesRegex(OverflowError, r"value\[1\]\[0\]"):
            Data([0, (2**64,)])

    def test_integers_out_of_range(self):
        for value in (2**63, -2**63 - 1, 2**64, 10**30):
            with self.subTest(value):
                self.assertRaises(OverflowError, Data, value)

    def test_surrogates(self):
        self.assertRaises(TypeError, Data, "\ud800")
        self.assertRaises(TypeError, Data, ["a\udfffb"])

    def test_endless(self):
        value = []
        value.append(value)
        self.assertRaises((RecursionError, ValueError), Data, value)
        table = {}
        table["self"] = table
        self.assertRaises((RecursionError, ValueError), Data, table)

    def test_nested_containers_are_unhashable(self):
        inner = Data({1})
        outer = broker.Set([inner])
        with self.assertRaisesRegex(TypeError, "unhashable type: 'set'"):
            Data.to_py(Data(outer))
        outer = broker.Set([Data({1: 2})])
        with self.assertRaisesRegex(TypeError, "unhashable type: 'dict'"):
            Data.to_py(Data(outer))
        table = broker.Table()
        table[Data({1})] = Data(1)
        with self.assertRaisesRegex(TypeError, "unhashable type: 'set'"):
            Data.to_py(Data(table))
        table = broker.Table()
        table[Data({1: 2})] = Data(1)
        with self.assertRaisesRegex(TypeError, "unhashable type: 'dict'"):
            Data.to_py(Data(table))


class Immutable(unittest.TestCase):
    def test_types(self):
        value = ImmutableData.to_py(Data(([1], {2}, {3: [4]}, "x")))
        self.assertEqual([type(x) for x in value],
                         [tuple, frozenset, ImmutableData.HashableReadOnlyDict, str])
        self.assertEqual(value, ((1,), frozenset([2]), {3: (4,)}, "x"))
        hash(value)

    def test_nested_containers_are_hashable(self):
        inner = broker.Table()
        inner[Data({1: 2})] = Data({3})
        outer = broker.Set([Data({1}), Data(inner)])
        value = ImmutableData.to_py(Data(outer))
        self.assertEqual(value, frozenset([frozenset([1]),
                                           ImmutableData.HashableReadOnlyDict(
                                               {ImmutableData.HashableReadOnlyDict({1: 2}):
                                                frozenset([3])})]))
        self.assertEqual(Data(value), Data(outer))

    def test_refuses_changes(self):
        d = ImmutableData.to_py(Data({"a": 1}))
        self.assertIsInstance(d, dict)
        self.assertEqual(hash(d), hash(ImmutableData.to_py(Data({"a": 1}))))
        def assign():
            d["a"] = 2
        def delete():
            del d["a"]
        def merge():
            nonlocal d
            d |= {"b": 2}
        for change in (assign, delete, lambda: d.pop("a"), d.popitem, d.clear,
                       lambda: d.update(a=2), lambda: d.setdefault("b", 1), merge):
            with self.assertRaisesRegex(TypeError, "cannot modify this dict"):
                change()
        self.assertEqual(d, {"a": 1})


if __name__ == "__main__":
    unittest.main()
