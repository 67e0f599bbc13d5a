# SPDX-License-Identifier: Apache-2.0
"""Names, versions and enumerations of the package."""

import datetime
import importlib
import pydoc
import unittest

import broker

NAMES = """APIFlags Address Backend BrokerOptions Configuration Count Data EC Endpoint EndpointInfo
Enum Error Frontend ImmutableData Message NetworkInfo PeerFlags PeerInfo PeerStatus Port Publisher
SC SafeSubscriber Set Status StatusSubscriber Store Subnet Subscriber Table Timespan Timestamp Topic
Vector Version now utc zeek _broker _make_topic _make_topics""".split()

NATIVE = """VectorTopic VectorPairTopicData VectorPeerInfo VectorStatusSubscriberValueType
OptionalSubscriberBaseValueType OptionalNetworkInfo OptionalTimespan ExpectedData ExpectedStore
MapBackendOptions Infinite Blocking NonBlocking Master Clone Memory SQLite""".split()

ENUMS = {
    "EC": dict(Unspecified=1, PeerIncompatible=2, PeerInvalid=3, PeerUnavailable=4, PeerTimeout=6,
               MasterExists=7, NoSuchMaster=8, NoSuchKey=9, RequestTimeOut=10, TypeClash=11,
               InvalidData=12, BackendFailure=13, StaleData=14),
    "SC": dict(Unspecified=0, PeerAdded=1, PeerRemoved=2, PeerLost=3, EndpointDiscovered=4,
               EndpointUnreachable=5),
    "PeerStatus": dict(Initialized=0, Connecting=1, Connected=2, Peered=3, Disconnected=4,
                       Reconnecting=5),
    "PeerFlags": dict(Invalid=0, Local=1, Remote=2, Outbound=4, Inbound=8),
    "APIFlags": dict(Blocking=1, NonBlocking=2),
    "Frontend": dict(Clone=0, Master=1),
    "Backend": dict(Memory=0, SQLite=1),
    "Data.Type": dict(Nil=0, Boolean=1, Count=2, Integer=3, Real=4, String=5, Address=6, Subnet=7,
                      Port=8, Timestamp=9, Timespan=10, EnumValue=11, Set=12, Table=13, Vector=14),
    "Port.Protocol": dict(Unknown=0, TCP=1, UDP=2, ICMP=3),
}


def find(path):
    found = broker
    for part in path.split("."):
        found = getattr(found, part)
    return found


class Names(unittest.TestCase):
    def test_exported(self):
        for name in NAMES:
            with self.subTest(name):
                self.assertTrue(hasattr(broker, name))

    def test_extension(self):
        for name in NATIVE:
            with self.subTest(name):
                self.assertTrue(hasattr(broker._broker, name))
        self.assertIs(importlib.import_module("broker._broker"), broker._broker)
        self.assertTrue(hasattr(importlib.import_module("_broker"), "Endpoint"))

    def test_submodules(self):
        self.assertIs(importlib.import_module("broker.zeek"), broker.zeek)
        self.assertTrue(hasattr(importlib.import_module("broker.bro"), "Event"))

    def test_utc(self):
        self.assertIs(broker.utc, datetime.timezone.utc)

    def test_version(self):
        v = broker.Version
        self.assertEqual((v.MAJOR, v.MINOR, v.PATCH, v.PROTOCOL), (2, 8, 0, 2))
        self.assertEqual(v.string(), "2.8.0")
        self.assertTrue(v.compatible(2))
        self.assertFalse(v.compatible(1))

    def test_now(self):
        before = datetime.datetime.now(broker.utc).timestamp()
        now = broker.now()
        after = datetime.datetime.now(broker.utc).timestamp()
        self.assertIsInstance(now, broker.Timestamp)
        seconds = now.time_since_epoch().count() / 1e9
        # The wall clock may be set while the test runs; a day is not what is meant.
        self.assertTrue(before - 86400 < seconds < after + 86400)

    def test_infinite(self):
        self.assertEqual(broker._broker.Infinite().count(), 2**63 - 1)

    def test_documented(self):
        for name in NAMES:
            thing = getattr(broker, name)
            if isinstance(thing, type) and not name.startswith("_"):
                with self.subTest(name):
                    self.assertTrue((thing.__doc__ or "").strip(), "no docstring")

    def test_message(self):
        self.assertRaises(AssertionError, broker.Message().to_broker)

    def test_help(self):
        text = pydoc.render_doc(broker, renderer=pydoc.plaintext)
        for word in ("make_subscriber", "attach_master", "Waits", "connect", "zeek"):
            self.assertIn(word.lower(), text.lower())

    def test_make_topics(self):
        topic = broker._make_topic("/a")
        self.assertIsInstance(topic, broker.Topic)
        self.assertEqual(topic.string(), "/a")
        for given in ("/a", broker.Topic("/a"), ["/a"], ("/a",), iter(["/a"]), {"/a"}):
            with self.subTest(repr(given)):
                self.assertEqual([t.string() for t in broker._make_topics(given)], ["/a"])


class Enumerations(unittest.TestCase):
    def test_members(self):
        for path, members in ENUMS.items():
            enum = find(path)
            with self.subTest(path):
                self.assertEqual({n: int(m) for n, m in enum.__members__.items()
                                  if n != "None"}, members)
            for name, value in members.items():
                with self.subTest("%s.%s" % (path, name)):
                    member = getattr(enum, name)
                    self.assertEqual(int(member), value)
                    self.assertEqual(member.name, name)
                    self.assertEqual(member.value, value)
                    short = path.split(".")[-1]
                    self.assertEqual(str(member), "%s.%s" % (short, name))
                    self.assertEqual(repr(member), "<%s.%s: %d>" % (short, name, value))
                    self.assertEqual(enum(value), member)
                    self.assertEqual({member: 1}[getattr(enum, name)], 1)

    def test_nil_has_two_names(self):
        self.assertEqual(getattr(broker.Data.Type, "None"), broker.Data.Type.Nil)

    def test_only_equal_to_its_own_kind(self):
        self.assertNotEqual(broker.SC.PeerAdded, 1)
        self.assertNotEqual(broker.SC.PeerAdded, broker.EC.Unspecified)
        self.assertNotEqual(broker.EC.Unspecified, broker.SC.PeerAdded)
        self.assertNotEqual(broker.Frontend.Master, broker.Backend.SQLite)

    def test_error_codes_compare_with_numbers(self):
        ec = broker.EC.PeerUnavailable
        self.assertTrue(ec == 4)
        self.assertTrue(4 == ec)
        self.assertFalse(ec != 4)
        self.assertFalse(ec == 3)
        self.assertEqual(hash(ec), hash(4))

    def test_members_of_port_and_extension(self):
        for name in ("TCP", "UDP", "ICMP", "Unknown"):
            self.assertEqual(getattr(broker.Port, name), getattr(broker.Port.Protocol, name))
        self.assertEqual(broker._broker.Memory, broker.Backend.Memory)
        self.assertEqual(broker._broker.SQLite, broker.Backend.SQLite)
        self.assertEqual(broker._broker.Master, broker.Frontend.Master)
        self.assertEqual(broker._broker.Clone, broker.Frontend.Clone)
        self.assertEqual(broker._broker.Blocking, broker.APIFlags.Blocking)
        self.assertEqual(broker._broker.NonBlocking, broker.APIFlags.NonBlocking)
        for name in ("IPv4", "IPv6"):
            self.assertTrue(hasattr(broker.Address.Family, name))
        for name in ("Host", "Network"):
            self.assertTrue(hasattr(broker.Address.ByteOrder, name))


if __name__ == "__main__":
    unittest.main()
