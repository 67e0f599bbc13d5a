# SPDX-License-Identifier: Apache-2.0
"""Conversion between Python objects and encoded values, against recorded values and at random."""

import datetime
import gc
import ipaddress
import json
import math
import os
import random
import sys
import tracemalloc
import types
import unittest

from broker import _native as native

RECORDED = os.path.join(os.path.dirname(__file__), "..", "..", "..", "pkg", "broker", "data", "testdata")
UTC = datetime.timezone.utc


def recorded(name):
    with open(os.path.join(RECORDED, name), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def random_value(rng, depth=0, hashable=False):
    """A Python object that comes back equal."""
    kind = rng.randrange(12 if depth > 3 else 15)
    if kind >= 12 and hashable:
        kind = 12
    return [
        lambda: None,
        lambda: rng.random() < 0.5,
        lambda: native.Count(rng.choice([0, 1, 2**64 - 1, rng.getrandbits(64)])),
        lambda: rng.choice([-(2**63), 2**63 - 1, rng.getrandbits(62), -5]),
        lambda: rng.choice([rng.uniform(-1e6, 1e6), math.inf, -math.inf, 1e308]),
        lambda: "".join(rng.choice("ab/ é€😀\0") for _ in range(rng.choice([0, 3, 200]))),
        lambda: b"\xff" + rng.getrandbits(64).to_bytes(8, "big"),
        lambda: ipaddress.IPv4Address(rng.getrandbits(32)),
        lambda: ipaddress.IPv6Network((rng.getrandbits(128) | 1 << 127, rng.randrange(129)), strict=False),
        lambda: native.Port(rng.randrange(65536), rng.randrange(4)),
        lambda: datetime.datetime(1970, 1, 1, tzinfo=UTC) + datetime.timedelta(microseconds=rng.randrange(-(10**15), 10**15)),
        lambda: native.Enum("Log::" + str(rng.randrange(9))),
        lambda: tuple(random_value(rng, depth + 1, hashable) for _ in range(rng.randrange(5))),
        lambda: {random_value(rng, depth + 1, True) for _ in range(rng.randrange(5))},
        lambda: {random_value(rng, depth + 1, True): random_value(rng, depth + 1) for _ in range(rng.randrange(5))},
    ][kind]()


class Recorded(unittest.TestCase):
    def test_text(self):
        for line in recorded("values.jsonl"):
            raw = bytes.fromhex(line["bin"])
            self.assertEqual(native.render(raw), line["text"], line["bin"])

    def test_canonical(self):
        for line in recorded("values.jsonl"):
            raw = bytes.fromhex(line["bin"])
            self.assertEqual(native.Data.from_bytes(raw).to_bytes(), raw)

    def test_decode_and_encode(self):
        """What Python can hold exactly comes back to the same bytes."""
        same = 0
        for line in recorded("values.jsonl"):
            raw = bytes.fromhex(line["bin"])
            try:
                value = native.decode(raw)
            except TypeError as error:
                self.assertIn("unhashable", str(error))
                continue
            back = native.encode(value)
            same += back == raw
            if line["type"] not in ("timestamp", "timespan", "set", "table", "vector"):
                self.assertEqual(back, raw, line["text"])
        self.assertGreater(same, 500)

    def test_order(self):
        values = [native.Data.from_bytes(bytes.fromhex(line["bin"])) for line in recorded("order.jsonl")]
        for i, a in enumerate(values):
            for j, b in enumerate(values):
                self.assertEqual((a < b, a == b, a > b), (i < j, i == j, i > j))

    def test_set_of_everything(self):
        """Elements are encoded in Broker's order, whatever the order in which they come."""
        values = [native.Data.from_bytes(bytes.fromhex(line["bin"])) for line in recorded("order.jsonl")]
        want = b"\x0c" + bytes([len(values) & 0x7F | 0x80, len(values) >> 7]) + b"".join(v.to_bytes() for v in values)
        self.assertEqual(native.encode(set(values)), want)
        shuffled = list(values)
        random.Random(7).shuffle(shuffled)
        size = bytes([len(values) & 0x7F | 0x80, len(values) >> 7])
        unordered = b"\x0c" + size + b"".join(v.to_bytes() for v in shuffled)
        self.assertEqual(native.Data.from_bytes(unordered).to_bytes(), want)


class Conversion(unittest.TestCase):
    def test_random_round_trips(self):
        rng = random.Random(1)
        for _ in range(3000):
            value = random_value(rng)
            raw = native.encode(value)
            back = native.decode(raw)
            self.assertEqual(back, value)
            self.assertEqual(native.Data.from_bytes(raw).to_bytes(), raw)
            self.assertEqual(native.encode(back), raw)

    def test_encoding(self):
        for value, want in [
            (None, "00"),
            (True, "0101"),
            (-1, "03ffffffffffffffff"),
            (math.inf, "04fff0000000000000"),
            (-math.inf, "047ff0000000000000"),
            (math.nan, "04ffffffffffffffff"),
            (5e-324, "040000000000000000"),
            ("é", "0502c3a9"),
            (b"\xff\0", "0502ff00"),
            ("x" * 128, "058001" + "78" * 128),
            ([1.0, [None]], "0e02043ff00000000000000e0100"),
            ({"b", "a", b"a"}, "0c02" + "050161" + "050162"),
            ({"b": 1, "a": None}, "0d02" + "05016100" + "050162030000000000000001"),
            (types.MappingProxyType({"a": None}), "0d0105016100"),
            (ipaddress.ip_interface("1.2.3.4/8"), "0600000000000000000000ffff01020304"),
            (ipaddress.ip_address("::ffff:1.2.3.4"), "0600000000000000000000ffff01020304"),
            (ipaddress.ip_network("10.0.0.0/8"), "0700000000000000000000ffff0a00000068"),
            (ipaddress.ip_network("::ffff:1.2.3.0/120"), "0700000000000000000000ffff0102030078"),
            (datetime.timedelta(microseconds=-1), "0afffffffffffffc18"),
        ]:
            with self.subTest(value=value):
                self.assertEqual(native.encode(value).hex(), want)

    def test_equal_keys_collapse(self):
        self.assertEqual(native.decode(native.encode({"a": 1, b"a": 2})), {"a": 2})

    def test_subclasses(self):
        class Text(str):
            pass

        class Pair(tuple):
            pass

        class Number(int):
            pass

        self.assertEqual(native.encode(Pair((Text("a"), Number(2)))), native.encode(("a", 2)))

    def test_objects_that_say_what_they_are(self):
        class Said(dict):
            def __broker_data__(self):
                return ("said", native.Count(1))

        self.assertEqual(native.decode(native.encode([Said()])), (("said", native.Count(1)),))
        self.assertRaisesRegex(TypeError, "unsupported data type", native.encode, Said)

    def test_own_method_that_answers_itself(self):
        class Endless:
            def __broker_data__(self):
                return self

        self.assertRaisesRegex(ValueError, "nested more than", native.encode, Endless())

    def test_own_method_that_fails(self):
        class Failing:
            def __broker_data__(self):
                raise LookupError("no")

        self.assertRaisesRegex(LookupError, "no", native.encode, [Failing()])

    def test_wrong_types(self):
        for value, kind, text in [
            (1j, TypeError, r"^unsupported data type: <class 'complex'>$"),
            ([0, {"a": (1j,)}], TypeError, r'^value\[1\]\["a"\]\[0\]: unsupported data type: <class \'complex\'>$'),
            ({1j}, TypeError, r"^value\.member\(1j\): unsupported"),
            ({1j: 0}, TypeError, r"^value\.key\(1j\): unsupported"),
            ({(1, 2): 1j}, TypeError, r"^value\[\(1, 2\)\]: unsupported"),
            (bytearray(b"a"), TypeError, "bytearray"),
            (range(3), TypeError, "range"),
            (datetime.date(2020, 1, 1), TypeError, "datetime.date"),
            ("\ud800", TypeError, "lone surrogate"),
            ([2**63], OverflowError, r"^value\[0\]: 9223372036854775808 does not fit"),
            (-(2**63) - 1, OverflowError, "does not fit"),
            (datetime.timedelta(days=106752), OverflowError, "does not fit"),
        ]:
            with self.subTest(value=value):
                self.assertRaisesRegex(kind, text, native.encode, value)

    def test_depth(self):
        value = ()
        for _ in range(127):
            value = (value,)
        self.assertEqual(native.decode(native.encode(value)), value)
        self.assertRaisesRegex(ValueError, "nested", native.encode, (value,))
        self.assertRaisesRegex(ValueError, "nested", native.decode, b"\x0e\x01" * 128 + b"\x0e\x00")
        endless = []
        endless.append(endless)
        self.assertRaisesRegex(ValueError, "nested", native.encode, endless)

    def test_changed_meanwhile(self):
        victims = []

        class Shrink:
            def __hash__(self):
                return 1

            def __broker_data__(self):
                victims[0].clear()
                return 1

        for container in ([Shrink(), 2, 3], {Shrink(), 2, 3}, {Shrink(): 1, 2: 2}, {2: Shrink(), 3: 3}):
            victims[:] = [container]
            self.assertRaises(RuntimeError, native.encode, container)

    def test_times(self):
        for ns, want in [(499, 0), (500, 0), (501, 1), (1500, 2), (2500, 2), (-5, 0), (-1500, -2), (-1000000, -1000)]:
            raw = native.Data(native.Timespan(ns)).to_bytes()
            self.assertEqual(native.decode(raw), datetime.timedelta(microseconds=want))
        for ns in (-(2**63), 2**63 - 1):
            self.assertEqual(native.decode(native.encode(native.Timestamp(native.Timespan(ns)))).tzinfo, UTC)
        least = native.decode(native.encode(native.Timespan(-(2**63) + 808)))
        self.assertEqual(native.encode(least), native.encode(native.Timespan(-(2**63) + 808 - 808 + 1000 - 192)))
        naive = datetime.datetime(2021, 7, 1, 12, 30, 15, 123456)
        self.assertEqual(native.decode(native.encode(naive)), naive.astimezone(UTC))

    def test_what_sets_cannot_hold(self):
        raw = native.encode(native.Data([1]))
        nested = b"\x0c\x01" + native.encode({1})
        self.assertRaisesRegex(TypeError, "unhashable type: 'set'", native.decode, nested)
        self.assertRaisesRegex(TypeError, "unhashable type: 'dict'", native.decode, b"\x0c\x01\x0d\x00")
        self.assertRaisesRegex(TypeError, "unhashable type: 'set'", native.decode, b"\x0d\x01\x0c\x00\x00")
        self.assertEqual(native.decode(nested, True), frozenset([frozenset([1])]))
        self.assertEqual(native.decode(nested, immutable=True), frozenset([frozenset([1])]))
        self.assertEqual(native.decode(raw), (1,))

    def test_bad_bytes(self):
        for raw in ["", "0f", "01", "05", "050261", "05ffffffffff01", "0c", "0c01", "0d0100", "0e020000ff", "0000", "08000104", "0e8080808080", "07" + "00" * 16 + "81"]:
            with self.subTest(raw=raw):
                self.assertRaises(ValueError, native.decode, bytes.fromhex(raw))
        for raw in ["0c020000", "0d0200000000", "0000", "0c03010001010101"]:
            self.assertRaises(ValueError, native.Data.from_bytes, bytes.fromhex(raw))


class Robust(unittest.TestCase):
    def check(self, raw):
        for read in (native.decode, lambda b: native.decode(b, True), native.Data.from_bytes, native.render):
            try:
                read(raw)
            except ValueError:
                pass
            except TypeError as error:
                self.assertIn("unhashable", str(error))

    def test_random_and_mutated_bytes(self):
        rng = random.Random(int(os.environ.get("BROKER_FUZZ_SEED", "3")))
        rounds = int(os.environ.get("BROKER_FUZZ_ROUNDS", "3000"))
        corpus = [native.encode(random_value(rng)) for _ in range(300)]
        corpus += [bytes.fromhex(line["bin"]) for line in recorded("values.jsonl")]
        for _ in range(rounds):
            self.check(bytes(rng.randrange(16) for _ in range(rng.randrange(40))))
            raw = bytearray(rng.choice(corpus))
            for _ in range(rng.randrange(1, 4)):
                raw[rng.randrange(len(raw))] = rng.choice([0, 1, 0x0C, 0x0D, 0x0E, 0x80, 0xFF, rng.randrange(256)])
            self.check(bytes(raw))
            self.check(bytes(raw[: rng.randrange(len(raw) + 1)]))

    def test_nothing_leaks(self):
        rng = random.Random(5)
        values = [random_value(rng) for _ in range(200)]
        wrong = [[1j], {"a": 2**64}, {1j}, {"k": {2: "\ud800"}}]

        def rounds(n):
            for _ in range(n):
                for value in values:
                    native.decode(native.encode(value), True)
                    hash(native.Data(value)), str(native.Count(1))
                for value in wrong:
                    try:
                        native.encode(value)
                    except (TypeError, OverflowError):
                        pass

        grown = []
        tracemalloc.start()
        try:
            for _ in range(4):
                before = tracemalloc.get_traced_memory()[0]
                rounds(15)
                gc.collect()
                grown.append(tracemalloc.get_traced_memory()[0] - before)
        finally:
            tracemalloc.stop()
        # What Python keeps for reuse comes once; an object lost for each value would be 150,000 every time.
        self.assertLess(min(grown), 30000)

    def test_references(self):
        marker = "a marker of its own"
        value = [marker, {marker: marker}, {marker}, (marker,)]
        before = sys.getrefcount(marker)
        for _ in range(100):
            native.encode(value)
            native.Data(value)
            native.Enum(marker)
        self.assertEqual(sys.getrefcount(marker), before)


if __name__ == "__main__":
    unittest.main()
