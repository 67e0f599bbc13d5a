# SPDX-License-Identifier: Apache-2.0
"""The types of the extension: construction, text, comparison, arithmetic, pickling."""

import copy
import inspect
import ipaddress
import math
import pickle
import unittest

from broker import _native as native

Address, Count, Data, Enum = native.Address, native.Count, native.Data, native.Enum
Port, Subnet, Timespan, Timestamp = native.Port, native.Subnet, native.Timespan, native.Timestamp

EXAMPLES = [
    Count(5),
    Count(2**64 - 1),
    Enum("Log::INFO"),
    Port(80, 1),
    Port(),
    Address(),
    Address(b"\x0a\0\0\1", 4),
    Subnet(),
    Subnet(Address(b"\x0a\0\0\1", 4), 8),
    Timespan(-5),
    Timestamp(1.5),
    Data(),
    Data([1, {"a": {2.5}}]),
]


class Kept(Count):
    """A subclass with a dictionary."""


class Common(unittest.TestCase):
    def test_equality_and_hash(self):
        for i, a in enumerate(EXAMPLES):
            for j, b in enumerate(EXAMPLES):
                self.assertEqual(a == b, i == j, (a, b))
                self.assertEqual(a != b, i != j)
            self.assertFalse(a == object())
            self.assertEqual(hash(a), hash(copy.copy(a)))

    def test_order_within_a_type_only(self):
        self.assertRaises(TypeError, lambda: Count(1) < 2)
        self.assertRaises(TypeError, lambda: Timespan(1) < Timestamp(1.0))
        self.assertRaises(TypeError, lambda: Enum("a") < "b")
        self.assertLess(Port(80, 1), Port(80, 2))
        self.assertLess(Address(b"\1\2\3\4", 4), Address(b"\x20" * 16, 6))
        self.assertGreater(Subnet(Address(), 5), Subnet(Address(), 4))
        self.assertTrue(Timespan(2) >= Timespan(2) and Timespan(2) <= Timespan(3))

    def test_pickle_and_copy(self):
        for value in EXAMPLES:
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                back = pickle.loads(pickle.dumps(value, protocol))
                self.assertEqual(back, value)
                self.assertIs(type(back), type(value))
            self.assertEqual(copy.deepcopy([value]), [value])

    def test_pickled_subclass(self):
        kept = Kept(7)
        kept.note = "x"
        back = pickle.loads(pickle.dumps(kept))
        self.assertEqual((back, type(back), back.note), (Count(7), Kept, "x"))
        self.assertEqual(native.encode(kept), native.encode(Count(7)))

    def test_restore_refuses(self):
        self.assertRaises(TypeError, native._restore, Count, native.encode(1))
        self.assertRaises(TypeError, native._restore, object, native.encode(1))
        self.assertRaises(TypeError, native._restore, 5, native.encode(1))
        self.assertRaises(ValueError, native._restore, Count, b"\x02")

    def test_documented(self):
        for name in ("Address", "Count", "Data", "Enum", "Port", "Subnet", "Timespan", "Timestamp"):
            class_ = getattr(native, name)
            self.assertTrue(class_.__doc__, name)
            for member, method in vars(class_).items():
                if not member.startswith("_") and callable(method):
                    self.assertTrue(method.__doc__, (name, member))
                    inspect.signature(getattr(class_, member))


class Counts(unittest.TestCase):
    def test_count(self):
        self.assertEqual((str(Count(5)), repr(Count(5)), Count(5).value, hash(Count(5))), ("5", "Count(5)", 5, 5))
        self.assertEqual(Count(2**64 - 1).value, 2**64 - 1)
        self.assertFalse(Count(3) == 3)
        for value, error in [(-1, OverflowError), (2**64, OverflowError), ("1", TypeError), (1.0, TypeError), (None, TypeError)]:
            self.assertRaises(error, Count, value)
        self.assertRaises(AttributeError, setattr, Count(1), "value", 2)
        self.assertRaises(TypeError, int, Count(1))

    def test_enum(self):
        e = Enum("a")
        self.assertEqual((repr(e), str(e), e.name), ("a", "a", "a"))
        e.name = "b"
        self.assertEqual(e, Enum("b"))
        self.assertNotEqual(e, "b")
        self.assertRaises(TypeError, setattr, e, "name", 5)
        self.assertRaises(TypeError, delattr, e, "name")
        self.assertRaises(TypeError, Enum, b"a")
        odd = native.decode(b"\x0b\x02\xffa")
        self.assertEqual(native.encode(odd), b"\x0b\x02\xffa")


class Net(unittest.TestCase):
    def test_port(self):
        for port, text in [(Port(), "0/?"), (Port(80, 1), "80/tcp"), (Port(53, 2), "53/udp"), (Port(8, 3), "8/icmp"), (Port(65535, 0), "65535/?")]:
            self.assertEqual(repr(port), text)
        self.assertEqual(Port(80, 1).number(), 80)
        self.assertEqual(int(Port(80, 2).get_type()), 2)
        for args in [(65536, 1), (-1, 1), (1, 4), ("1", 1), (1.0, 1), (1,), (None, None)]:
            self.assertRaises(TypeError, Port, *args)

    def test_address(self):
        for text in ["::", "::1", "1:0:0:2::3", "::1:0:0:1:0:0", "0:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:0", "2001:db8::", "::102:304", "1:2:3:4:5:6:7:8", "fe80::1:2:3"]:
            self.assertEqual(repr(Address(ipaddress.ip_address(text).packed, 6)), text)
        v4 = Address(b"\1\2\3\4", 4)
        self.assertEqual((repr(v4), v4.is_v4(), v4.is_v6()), ("1.2.3.4", True, False))
        self.assertEqual(v4.bytes(), b"\0" * 10 + b"\xff\xff\1\2\3\4")
        self.assertTrue(v4.mask(112))
        self.assertEqual(repr(v4), "1.2.0.0")
        self.assertFalse(v4.mask(129))
        self.assertTrue(v4.mask(0))
        self.assertEqual(v4, Address())
        for args in [(b"\1\2\3", 4), (b"\1" * 16, 4), (b"\1" * 4, 6), (b"", 6), (b"\1" * 4, 5)]:
            self.assertRaises(ValueError, Address, *args)
        self.assertRaises(TypeError, Address, b"\1\2\3\4")

    def test_subnet(self):
        net = Subnet(Address(b"\1\2\3\4", 4), 24)
        self.assertEqual((repr(net), net.length(), repr(net.network())), ("1.2.3.0/24", 24, "1.2.3.0"))
        self.assertTrue(net.contains(Address(b"\1\2\3\x99", 4)))
        self.assertFalse(net.contains(Address(b"\1\2\4\4", 4)))
        self.assertRaises(TypeError, net.contains, "1.2.3.4")
        self.assertEqual(repr(Subnet(Address(b"\1\2\3\4", 4), 33)), "::/0")
        self.assertEqual(repr(Subnet(Address(b"\x80" + b"\0" * 15, 6), 5)), "8000::/5")
        self.assertRaises(TypeError, Subnet, Address())
        self.assertRaises(TypeError, Subnet, "1.2.3.0", 24)


class Times(unittest.TestCase):
    def test_timespan(self):
        a, b = Timespan(1.5), Timespan(500000000)
        self.assertEqual((repr(a), a.count(), Timespan().count()), ("1500000000ns", 1500000000, 0))
        self.assertEqual((a + b, a - b, b * 3, 3 * b), (Timespan(2.0), Timespan(1.0), a, a))
        self.assertEqual((a / b, a / 3, a % Timespan(400000000), a % 7), (3, b, Timespan(300000000), Timespan(1500000000 % 7)))
        self.assertEqual((Timespan(-7) / 2, Timespan(-7) % Timespan(2)), (Timespan(-3), Timespan(-1)))
        self.assertEqual((Timespan(-1.9e-9), Timespan(1.9e-9)), (Timespan(-1), Timespan(1)))
        for wrong in (lambda: a / 0, lambda: a % Timespan(0), lambda: a / Timespan(0)):
            self.assertRaises(ZeroDivisionError, wrong)
        least = Timespan(-(2**63))
        for wrong in (lambda: least - b, lambda: least / -1, lambda: least * 2, lambda: Timespan(2**63), lambda: Timespan(1e300)):
            self.assertRaises(OverflowError, wrong)
        self.assertEqual(least % -1, Timespan(0))
        self.assertRaises(ValueError, Timespan, math.nan)
        for wrong in (lambda: a + 1, lambda: a * 1.5, lambda: 1 / a, lambda: Timespan("1"), lambda: a + Timestamp()):
            self.assertRaises(TypeError, wrong)

    def test_timestamp(self):
        self.assertEqual((repr(Timestamp(1.5)), Timestamp(Timespan(7)).time_since_epoch()), ("1500000000", Timespan(7)))
        self.assertEqual(Timestamp(2), Timestamp(2.0))
        self.assertRaises(TypeError, Timestamp, "1")
        self.assertRaises(TypeError, Timestamp, Timestamp())
        self.assertGreater(native.now(), Timestamp(1.7e9))


class Any(unittest.TestCase):
    def test_accessors(self):
        names = "none boolean count integer real string address subnet port timestamp timespan enum_value set table vector".split()
        values = [None, True, Count(7), -7, 2.5, b"\xff", Address(), Subnet(), Port(), Timestamp(1.5), Timespan(2.5), Enum("e"), {1}, {1: 2}, [1]]
        for i, value in enumerate(values):
            data = Data(value)
            self.assertEqual(int(data.get_type()), i)
            for j, name in enumerate(names):
                if i != j:
                    with self.assertRaisesRegex(RuntimeError, "^bad variant access$"):
                        getattr(data, "as_" + name)()
            got = getattr(data, "as_" + names[i])()
            if i == 2:
                self.assertEqual(got, 7)
            elif i in (9, 10):
                self.assertEqual(got, [1.5, 2.5][i - 9])
            elif i < 12:
                self.assertEqual(got, value)
        self.assertEqual(list(Data([1, "a"]).as_vector()), [Data(1), Data("a")])
        self.assertEqual(len(Data({1, 2}).as_set()), 2)
        self.assertEqual(len(Data({1: 2}).as_table()), 1)

    def test_text(self):
        self.assertEqual(str(Data({"b": [1, None], "a": {True}})), "{a -> {T}, b -> (1, nil)}")
        self.assertRaises(UnicodeDecodeError, str, Data(b"\xff"))
        self.assertEqual(repr(Data(b"\xff")), "<Data string: \\xff>")
        self.assertEqual([str(Data(v)) for v in (1e18, 4.2, -0.0, math.inf, -math.inf, math.nan)],
                         ["1000000000000000000.000000", "4.200000", "-0.000000", "inf", "-inf", "nan"])

    def test_static_methods(self):
        self.assertEqual(Data.from_py([1]), Data([1]))
        self.assertEqual(Data.to_py(Data([1])), (1,))
        self.assertRaises(TypeError, Data.to_py, 1)
        self.assertEqual(Data(Data(5)), Data(5))
        self.assertEqual(Data.from_bytes(b"\1\5").to_bytes(), b"\1\1")
        self.assertEqual(Data.from_bytes(b"\4\x7f\xf8\0\0\0\0\0\1"), Data(math.inf))

    def test_equal_values_hash_alike(self):
        for a, b in [(0.0, -0.0), ([1, 0.0], [1, -0.0]), ({0.0: {0.0}}, {-0.0: {-0.0}}), (math.nan, -math.nan)]:
            self.assertEqual(Data(a), Data(b))
            self.assertEqual(hash(Data(a)), hash(Data(b)))
        raw = b"\4\x80" + b"\0" * 7
        self.assertNotEqual(Data(raw), Data(b"\4" + b"\0" * 8))


class Hooks(unittest.TestCase):
    def test_wrong_hooks(self):
        self.assertRaises(TypeError, native.set_hooks, nonsense=print)
        self.assertRaises(TypeError, native.set_hooks, status=5)
        self.assertRaises(TypeError, native.set_hooks, print)


if __name__ == "__main__":
    unittest.main()
