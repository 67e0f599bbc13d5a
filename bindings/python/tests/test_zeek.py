# SPDX-License-Identifier: Apache-2.0
"""Zeek's messages."""

import contextlib
import datetime
import io
import unittest

import broker
from broker import Count, Data, Enum, Timestamp
from broker import zeek

from support import endpoints, join

STAMP = Count(1)
NOW = datetime.datetime(2024, 5, 6, 7, 8, 9, 123456, broker.utc)


class Events(unittest.TestCase):
    def test_without_metadata(self):
        e = zeek.Event("ping", 1, "two", Count(3))
        self.assertTrue(e.valid())
        self.assertEqual((e.name(), e.args(), e.metadata()), ("ping", [1, "two", Count(3)], None))
        self.assertEqual(e.as_data(), Data([Count(1), Count(1), ["ping", [1, "two", Count(3)]]]))

    def test_without_arguments(self):
        e = zeek.Event("noargs")
        self.assertEqual((e.valid(), e.name(), e.args()), (True, "noargs", []))
        self.assertRaises(IndexError, zeek.Event)

    def test_constants(self):
        self.assertEqual(zeek.MetadataType.NetworkTimestamp, STAMP)
        self.assertEqual(zeek.MetadataType.UserMetadataStart, Count(200))

    def test_metadata_as_pairs(self):
        for pairs in ([(1, NOW)], [(STAMP, NOW)], ((zeek.MetadataType.NetworkTimestamp, NOW),),
                      iter([[1, NOW]]), {1: NOW}, {STAMP: NOW}):
            e = zeek.Event("x", 1, metadata=pairs)
            with self.subTest(repr(pairs)):
                self.assertTrue(e.valid())
                self.assertEqual(e.metadata(), [(STAMP, NOW)])

    def test_metadata_in_the_message(self):
        e = zeek.Event("x", metadata=[(1, Timestamp(1.5)), (1234, "custom")])
        self.assertEqual(str(e.as_data()), "(1, 1, (x, (), ((1, 1500000000ns), (1234, custom))))")
        self.assertEqual(str(zeek.Event("x").as_data()), "(1, 1, (x, ()))")

    def test_empty_metadata(self):
        for empty in (None, [], {}):
            self.assertIsNone(zeek.Event("x", metadata=empty).metadata())

    def test_wrong_timestamp(self):
        for wrong in ("now", 1.5, 5, None):
            self.assertFalse(zeek.Event("x", metadata={1: wrong}).valid())

    def test_wrong_metadata(self):
        self.assertRaises(TypeError, zeek.Event, "x", metadata=5)
        self.assertRaises(IndexError, zeek.Event, "x", metadata=[(1,)])
        self.assertRaises((SystemError, OverflowError), zeek.Event, "x", metadata={-1: 1})
        self.assertRaises(TypeError, zeek.Event, "x", metadata={"a": 1})

    def test_wrong_arguments(self):
        self.assertRaises(TypeError, lambda: zeek.Event("x", 1j).as_data())

    def test_as_an_argument(self):
        e = zeek.Event("x", 1)
        self.assertEqual(Data(e), e.as_data())
        self.assertEqual(Data([e]), Data([e.as_data()]))


class Parsing(unittest.TestCase):
    def test_message(self):
        for message in ((Count(1), Count(1), ("ping", (1, "two"))),
                        [Count(1), Count(1), ["ping", [1, "two"]]],
                        Data([Count(1), Count(1), ["ping", [1, "two"]]]),
                        (Count(1), Count(1), ("ping", (1, "two"), ()))):
            e = zeek.Event(message)
            with self.subTest(repr(message)):
                self.assertEqual((e.valid(), e.name(), e.args(), e.metadata()),
                                 (True, "ping", [1, "two"], None))

    def test_no_event(self):
        for message in ((), 5, None, (1, 1, ("ping", ())), (Count(1),), {"a": 1},
                        (Count(1), Count(5), ()), (Count(1), Count(9), ("x", ()))):
            e = zeek.Event(message)
            with self.subTest(repr(message)):
                self.assertFalse(e.valid())
                for call in (e.name, e.args, e.metadata):
                    with self.assertRaisesRegex(ValueError, "invalid Event data/type"):
                        call()

    def test_malformed_event(self):
        for content in ((), ("x",), (5, ()), ("x", 5), ("x", (), 5), ("x", (), (5,)),
                        ("x", (), ((1, NOW),)), ("x", (), ((STAMP, 5),)), ("x", (), ((STAMP,),))):
            e = zeek.Event((Count(1), Count(1), content))
            with self.subTest(repr(content)):
                self.assertFalse(e.valid())
                for call in (e.name, e.args, e.metadata):
                    with self.assertRaisesRegex(ValueError, "invalid Event data"):
                        call()

    def test_bytes(self):
        e = zeek.Event((Count(1), Count(1), ("x", (b"\xff", "text"))))
        self.assertEqual(e.args(), [b"\xff", "text"])
        self.assertEqual(zeek.Event("x", *e.args()).as_data(), e.as_data())


RECORDS = broker.Set([Data([1, {"a": 1}]), Data([2, {}])])


class Nested(unittest.TestCase):
    def test_event(self):
        e = zeek.Event("x", RECORDS)
        with self.assertRaisesRegex(TypeError, "unhashable type: 'dict'"):
            zeek.Event(e.as_data()).args()

    def test_safe_event(self):
        e = zeek.SafeEvent(zeek.Event("x", RECORDS).as_data())
        self.assertIsInstance(e, zeek.Event)
        self.assertEqual(e.args(), [frozenset([(1, broker.ImmutableData.HashableReadOnlyDict({"a": 1})),
                                               (2, broker.ImmutableData.HashableReadOnlyDict())])])


class Wire(unittest.TestCase):
    def test_two_entries(self):
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber("/topic") as sub:
            join(ep1, ep2)
            ep2.publish("/topic/test", zeek.Event("ping", 7, metadata={1: NOW, 1234: "custom"}))
            topic, message = sub.get()
            self.assertEqual((topic, message[0], message[1]), ("/topic/test", Count(1), Count(1)))
            e = zeek.Event(message)
            self.assertEqual((e.valid(), e.name(), e.args()), (True, "ping", [7]))
            self.assertEqual(e.metadata(), [(STAMP, NOW), (Count(1234), "custom")])

    def test_nested(self):
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber("/x") as sub, \
                ep1.make_safe_subscriber("/x") as safe:
            join(ep1, ep2)
            ep2.publish("/x", zeek.Event("e", RECORDS))
            self.assertRaises(TypeError, sub.get)
            _, message = safe.get()
            self.assertEqual(len(zeek.SafeEvent(message).args()[0]), 2)


class OtherMessages(unittest.TestCase):
    def check(self, message, kind, back):
        self.assertTrue(message.valid())
        data = message.as_data()
        self.assertEqual(str(data).split(", ")[:2], ["(1", str(kind)])
        self.assertTrue(back(data).valid())
        self.assertEqual(back(data).as_data(), data)
        self.assertEqual(Data(message), data)

    def test_log_create(self):
        m = zeek.LogCreate("Conn::LOG", "Log::WRITER_ASCII", ("conn", 0.0, 3600.0, 1.0, {}, ""),
                           (("ts", None, Count(5), Count(0), False),))
        self.check(m, 2, zeek.LogCreate)
        self.assertEqual(str(m.as_data()), "(1, 2, (Conn::LOG, Log::WRITER_ASCII, (conn, 0.000000, "
                         "3600.000000, 1.000000, {}, ), ((ts, nil, 5, 0, F))))")
        self.assertEqual((m.stream(), m.writer()), (Enum("Conn::LOG"), Enum("Log::WRITER_ASCII")))

    def test_log_write(self):
        m = zeek.LogWrite("Conn::LOG", "Log::WRITER_ASCII", "conn", b"\0\0\0\0")
        self.check(m, 3, zeek.LogWrite)
        self.assertEqual((m.path(), m.serial_data()), ("conn", b"\0\0\0\0"))

    def test_identifier_update(self):
        m = zeek.IdentifierUpdate("Site::nets", {1, 2})
        self.check(m, 4, zeek.IdentifierUpdate)
        self.assertEqual((m.name(), m.value()), ("Site::nets", {1, 2}))

    def test_batch(self):
        m = zeek.Batch([zeek.Event("a", 1), zeek.IdentifierUpdate("x", 2)])
        self.check(m, 5, zeek.Batch)
        first, second = m.messages()
        self.assertEqual((first.name(), first.args()), ("a", [1]))
        self.assertEqual((second.name(), second.value()), ("x", 2))
        self.assertFalse(zeek.Batch(Data([Count(1), Count(5), [5]])).valid())

    def test_wrong_kind(self):
        event = zeek.Event("x").as_data()
        for kind in (zeek.LogCreate, zeek.LogWrite, zeek.IdentifierUpdate, zeek.Batch):
            with self.subTest(kind.__name__):
                self.assertFalse(kind(event).valid())


class OldName(unittest.TestCase):
    def test_bro_event(self):
        from broker import bro
        out = io.StringIO()
        with contextlib.redirect_stderr(out):
            for _ in range(3):
                e = bro.Event("ping", 1)
        self.assertEqual((e.valid(), e.name(), e.args()), (True, "ping", [1]))
        self.assertEqual(out.getvalue().count("deprecated bro.event usage, use zeek.Event instead"), 1)
        self.assertIn("test_zeek.py", out.getvalue())
        self.assertIn('e = bro.Event("ping", 1)', out.getvalue())


if __name__ == "__main__":
    unittest.main()
