# SPDX-License-Identifier: Apache-2.0
"""The classes that stand for Broker's own types."""

import copy
import itertools
import operator
import pickle
import socket
import unittest

import broker
from broker import Address, Count, Data, Enum, Port, Set, Subnet, Table, Timespan, Timestamp, Topic, Vector

TWO64 = 2**64


def address(text):
    """An Address from its text."""
    family, size = (socket.AF_INET6, 6) if ":" in text else (socket.AF_INET, 4)
    return Address(socket.inet_pton(family, text), size)


def ordered(case, ascending):
    """Checks the six comparisons on values that ascend strictly."""
    for (i, a), (j, b) in itertools.product(enumerate(ascending), repeat=2):
        for op in (operator.lt, operator.le, operator.eq, operator.ne, operator.ge, operator.gt):
            case.assertIs(op(a, b), op(i, j), "%r %s %r" % (a, op.__name__, b))
        if i == j:
            case.assertEqual(hash(a), hash(b))


class Wrapper(unittest.TestCase):
    def test_count(self):
        c = Count(5)
        self.assertEqual((c.value, str(c), repr(c), hash(c)), (5, "5", "Count(5)", 5))
        self.assertEqual(Count(TWO64 - 1).value, TWO64 - 1)
        ordered(self, [Count(0), Count(3), Count(TWO64 - 1)])

    def test_count_is_no_number(self):
        self.assertFalse(Count(3) == 3)
        self.assertFalse(3 == Count(3))
        for op in (operator.lt, operator.le, operator.gt, operator.ge, operator.add, operator.mul):
            self.assertRaises(TypeError, op, Count(3), 3)
        self.assertRaises(TypeError, int, Count(3))

    def test_count_refuses(self):
        for value in (-1, TWO64):
            self.assertRaises((OverflowError, SystemError), Count, value)
        for value in ("1", 1.5, None):
            self.assertRaises(TypeError, Count, value)

    def test_enum(self):
        e = Enum("Log::A")
        self.assertEqual((e.name, repr(e)), ("Log::A", "Log::A"))
        e.name = "Log::B"
        self.assertEqual(e, Enum("Log::B"))
        ordered(self, [Enum(""), Enum("A"), Enum("AA"), Enum("B")])
        self.assertFalse(Enum("a") == "a")
        self.assertRaises(TypeError, Enum, 1)

    def test_port(self):
        p = Port(80, Port.TCP)
        self.assertEqual((p.number(), p.get_type(), repr(p)), (80, Port.TCP, "80/tcp"))
        self.assertEqual((Port().number(), Port().get_type(), repr(Port())), (0, Port.Unknown, "0/?"))
        self.assertEqual([repr(Port(1, k)) for k in (Port.UDP, Port.ICMP, Port.Unknown)],
                         ["1/udp", "1/icmp", "1/?"])
        ordered(self, [Port(), Port(1, Port.Unknown), Port(1, Port.TCP), Port(1, Port.UDP),
                       Port(1, Port.ICMP), Port(65535, Port.TCP)])
        for number in (-1, 65536, "80", None):
            self.assertRaises(TypeError, Port, number, Port.TCP)
        self.assertRaises(TypeError, Port, 80)

    def test_address(self):
        self.assertEqual(repr(Address()), "::")
        a = address("10.1.2.3")
        self.assertEqual((repr(a), a.is_v4(), a.is_v6()), ("10.1.2.3", True, False))
        self.assertEqual(a.bytes(), bytes(10) + b"\xff\xff\x0a\x01\x02\x03")
        b = address("2001:db8::1")
        self.assertEqual((repr(b), b.is_v4(), b.is_v6()), ("2001:db8::1", False, True))
        self.assertEqual(len(b.bytes()), 16)
        ordered(self, [Address(), address("::1"), address("1.2.3.4"), address("1.2.3.5"),
                       address("2001:db8::1")])

    def test_address_mask(self):
        a = address("10.1.2.3")
        self.assertTrue(a.mask(112))
        self.assertEqual(repr(a), "10.1.0.0")

    def test_address_refuses(self):
        for raw, size in ((b"", 4), (b"abc", 4), (bytes(4), 6), (bytes(17), 6), (bytes(4), 5)):
            self.assertRaises((ValueError, TypeError), Address, raw, size)

    def test_subnet(self):
        self.assertEqual(repr(Subnet()), "::/0")
        s = Subnet(address("10.1.2.3"), 8)
        self.assertEqual((repr(s), s.length(), repr(s.network())), ("10.0.0.0/8", 8, "10.0.0.0"))
        self.assertTrue(s.contains(address("10.255.0.1")))
        self.assertFalse(s.contains(address("11.0.0.1")))
        self.assertFalse(s.contains(address("::1")))
        self.assertTrue(Subnet().contains(address("1.2.3.4")))
        self.assertEqual(repr(Subnet(address("1.2.3.4"), 33)), "::/0")
        self.assertEqual(repr(Subnet(address("fc00::1"), 7)), "fc00::/7")
        ordered(self, [Subnet(), Subnet(address("10.0.0.0"), 8), Subnet(address("10.0.0.0"), 9),
                       Subnet(address("fc00::"), 7)])

    def test_timespan(self):
        s = Timespan(1500000000)
        self.assertEqual((s.count(), repr(s)), (1500000000, "1500000000ns"))
        self.assertEqual(Timespan().count(), 0)
        self.assertEqual(Timespan(1.5), s)
        self.assertEqual(s + Timespan(1), Timespan(1500000001))
        self.assertEqual(s - Timespan(1), Timespan(1499999999))
        self.assertEqual(s * 2, Timespan(3000000000))
        self.assertEqual(s / Timespan(500000000), 3)
        self.assertIs(type(s / Timespan(500000000)), int)
        self.assertEqual(s / 3, Timespan(500000000))
        self.assertEqual(s % Timespan(400000000), Timespan(300000000))
        ordered(self, [Timespan(-1), Timespan(), Timespan(1)])

    def test_timespan_by_zero(self):
        for op in (operator.truediv, operator.mod):
            self.assertRaises(ZeroDivisionError, op, Timespan(1), Timespan(0))
        self.assertRaises(ZeroDivisionError, operator.truediv, Timespan(1), 0)

    def test_timestamp(self):
        t = Timestamp(Timespan(7))
        self.assertEqual((t.time_since_epoch(), repr(t)), (Timespan(7), "7"))
        self.assertEqual(Timestamp().time_since_epoch().count(), 0)
        self.assertEqual(Timestamp(1.5).time_since_epoch(), Timespan(1500000000))
        ordered(self, [Timestamp(-1.0), Timestamp(), Timestamp(1.0)])

    def test_set(self):
        s = Set()
        self.assertFalse(s)
        for x in (2, 1, 2):
            s.add(Data(x))
        self.assertEqual((str(s), len(s), bool(s)), ("Set{1, 2}", 2, True))
        self.assertEqual(list(s), [Data(1), Data(2)])
        s.remove(Data(1))
        self.assertEqual(str(s), "Set{2}")
        s.clear()
        self.assertEqual((str(s), len(s)), ("Set{}", 0))
        self.assertEqual(str(Set([Data("b"), Data(3)])), "Set{3, b}")
        self.assertEqual(str(Data(Set([Data("b"), Data(3)]))), "{3, b}")

    def test_vector(self):
        v = Vector()
        v.append(Data(1))
        self.assertEqual((str(v), len(v), v[0]), ("Vector[1]", 1, Data(1)))
        v = Vector([Data(1), Data("x")])
        self.assertEqual(list(v), [Data(1), Data("x")])
        v[0] = Data(2)
        self.assertEqual(str(Data(v)), "(2, x)")
        self.assertRaises(IndexError, lambda: v[2])

    def test_table(self):
        t = Table()
        t[Data("b")] = Data(2)
        t[Data("a")] = Data(1)
        self.assertEqual((str(t), len(t)), ("Table{a: 1, b: 2}", 2))
        self.assertEqual(t[Data("a")], Data(1))
        self.assertIn(Data("b"), t)
        self.assertNotIn(Data("c"), t)
        self.assertEqual(list(t), [Data("a"), Data("b")])
        self.assertEqual(list(t.keys()), [Data("a"), Data("b")])
        self.assertEqual(list(t.values()), [Data(1), Data(2)])
        self.assertEqual(list(t.items()), [(Data("a"), Data(1)), (Data("b"), Data(2))])
        self.assertRaises(KeyError, lambda: t[Data("c")])
        self.assertEqual(str(Data(t)), "{a -> 1, b -> 2}")

    def test_lookup_by_key_of_any_type(self):
        t = Data({True: 42, 13: "test", Port(22, Port.TCP): False, (1, 2, 3): (4, 5, 6)}).as_table()
        self.assertEqual(t[Data(True)], Data(42))
        self.assertEqual(t[Data(13)], Data("test"))
        self.assertEqual(t[Data(Port(22, Port.TCP))], Data(False))
        self.assertEqual(t[Data([1, 2, 3])], Data([4, 5, 6]))

    def test_topic(self):
        t = Topic("/a/")
        self.assertEqual((t.string(), str(t), repr(t)), ("/a/", "/a/", "/a/"))
        self.assertEqual((Topic("/a/") / Topic("/b/c")).string(), "/a//b/c")
        t = Topic("/b/c")
        t /= Topic("/a/")
        self.assertEqual(t.string(), "/b/c/a")
        self.assertEqual((Topic("a") / Topic("b")).string(), "a/b")
        self.assertEqual((Topic("") / Topic("b/")).string(), "b")
        self.assertRaises(TypeError, Topic, 1)

    def test_topics_have_no_equality(self):
        a, b = Topic("/a"), Topic("/a")
        self.assertNotEqual(a, b)
        self.assertEqual(a, a)
        self.assertEqual(len({a, b}), 2)


ACCESSORS = {
    "as_boolean": (True, True),
    "as_integer": (-5, -5),
    "as_count": (Count(5), 5),
    "as_real": (1.5, 1.5),
    "as_string": ("x", b"x"),
    "as_enum_value": (Enum("E"), Enum("E")),
    "as_port": (Port(1, Port.UDP), Port(1, Port.UDP)),
    "as_address": (address("1.2.3.4"), address("1.2.3.4")),
    "as_subnet": (Subnet(address("10.0.0.0"), 8), Subnet(address("10.0.0.0"), 8)),
    "as_timespan": (Timespan(1500000000), 1.5),
    "as_timestamp": (Timestamp(1.5), 1.5),
    "as_none": (None, None),
}


class DataClass(unittest.TestCase):
    def test_empty(self):
        self.assertEqual(Data(), Data(None))
        self.assertEqual(str(Data()), "nil")

    def test_accessors(self):
        for name, (value, result) in ACCESSORS.items():
            with self.subTest(name):
                got = getattr(Data(value), name)()
                if name != "as_none":
                    self.assertEqual(got, result)
                    self.assertIs(type(got), type(result))

    def test_containers(self):
        self.assertEqual(str(Data({1, 2}).as_set()), "Set{1, 2}")
        self.assertEqual(str(Data([1]).as_vector()), "Vector[1]")
        self.assertEqual(str(Data({"a": 1}).as_table()), "Table{a: 1}")

    def test_wrong_accessor(self):
        for name, (value, _) in ACCESSORS.items():
            other = "x" if name != "as_string" else 1
            with self.subTest(name):
                with self.assertRaisesRegex(RuntimeError, "bad variant access"):
                    getattr(Data(other), name)()
        for name in ("as_set", "as_table", "as_vector"):
            with self.assertRaisesRegex(RuntimeError, "bad variant access"):
                getattr(Data(1), name)()

    def test_total_order(self):
        ordered(self, [Data(x) for x in (
            None, False, True, Count(0), Count(TWO64 - 1), -2**63, -1, 0, 1, -1.5, 0.0, 1e300,
            "", "A", "a", "aa", b"\xff", Address(), address("1.2.3.4"), address("2001::"),
            Subnet(), Subnet(address("2001::"), 16), Port(), Port(1, Port.TCP), Port(1, Port.UDP),
            Timestamp(-1.0), Timestamp(), Timespan(-1), Timespan(), Enum(""), Enum("A"),
            set(), {1}, {1, 2}, {2}, {}, {1: 1}, {1: 2}, {2: 0}, (), (None,), (1,), (1, 0), (2,))])

    def test_zeros_are_one(self):
        self.assertEqual(Data(0.0), Data(-0.0))
        self.assertEqual(hash(Data(0.0)), hash(Data(-0.0)))

    def test_constructor_copies(self):
        value = [1]
        d = Data(value)
        value.append(2)
        self.assertEqual(str(d), "(1)")
        self.assertEqual(Data(d), d)


class Copies(unittest.TestCase):
    VALUES = [Data([1, {"a": {Count(2)}}]), Data(), Count(7), Enum("E"), Port(80, Port.TCP),
              address("1.2.3.4"), Subnet(address("10.0.0.0"), 8), Timespan(5), Timestamp(1.5)]

    def test_pickle(self):
        for value in self.VALUES:
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
                with self.subTest("%r %d" % (value, protocol)):
                    back = pickle.loads(pickle.dumps(value, protocol))
                    self.assertEqual(back, value)
                    self.assertIs(type(back), type(value))

    def test_copy(self):
        for value in self.VALUES:
            with self.subTest(repr(value)):
                self.assertEqual(copy.copy(value), value)
                self.assertEqual(copy.deepcopy([value]), [value])

    def test_containers(self):
        for value in (Set([Data(1)]), Vector([Data(1)]), Data({"a": 1}).as_table()):
            for back in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
                self.assertEqual((str(back), type(back)), (str(value), type(value)))
                back.clear()  # a copy is a container of its own
                self.assertEqual(len(value), 1)

    def test_immutable(self):
        value = broker.ImmutableData.to_py(Data(({"a": [1]}, {2})))
        back = pickle.loads(pickle.dumps(value))
        self.assertEqual((back, hash(back)), (value, hash(value)))

    def test_handles_refuse(self):
        import support
        with support.endpoint() as ep:
            for thing in (ep, ep.make_subscriber("/x"), ep.attach_master("s", broker.Backend.Memory)):
                self.assertRaises(TypeError, pickle.dumps, thing)
                self.assertRaises(TypeError, copy.deepcopy, thing)


if __name__ == "__main__":
    unittest.main()
