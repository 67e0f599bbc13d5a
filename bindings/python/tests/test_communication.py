# SPDX-License-Identifier: Apache-2.0
"""Messages between endpoints: what the reference's own tests of communication check."""

import ipaddress
import types
import unittest

import broker
from broker import EC, SC

from support import codes, endpoint, endpoints, eventually, join, receive, unused_port

ADDRESS = ipaddress.IPv4Address("1.2.3.4")


class PingPong(unittest.TestCase):
    def check(self, ep1, ep2):
        with ep1.make_subscriber("/test") as s1, ep2.make_subscriber("/test") as s2:
            join(ep1, ep2)
            ep2.publish("/test", ["ping"])
            self.assertEqual(s1.get(), ("/test", ("ping",)))
            ep1.publish(broker.Topic("/test"), ["pong"])
            messages = eventually(s2.poll, "pong")
            self.assertEqual(messages, [("/test", ("pong",))])
            self.assertEqual(s2.poll(), [])

    def test_plain(self):
        with endpoints(2) as (ep1, ep2):
            self.check(ep1, ep2)

    def test_with_default_options(self):
        with broker.Endpoint() as ep1, broker.Endpoint() as ep2:
            self.check(ep1, ep2)

    def test_default_and_plain_do_not_talk(self):
        with broker.Endpoint() as ep1, endpoint() as ep2:
            port = ep1.listen("127.0.0.1", 0)
            self.assertIs(ep2.peer("127.0.0.1", port, 0), False)


class Batches(unittest.TestCase):
    SENT = [("/test/1", ()), ("/test/2", (1, 2, 3)), ("/test/3", (42, "foo", {"a": "A", "b": ADDRESS}))]

    def send(self, ep1, ep2):
        join(ep1, ep2)
        ep2.publish(*self.SENT[0])
        ep2.publish_batch(*self.SENT[1:])

    def test_in_order_and_equal(self):
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber("/test") as s1:
            self.send(ep1, ep2)
            messages = s1.get(3)
            self.assertEqual(messages, self.SENT)
            self.assertEqual(s1.available(), 0)
            table = messages[2][1][2]
            table["a"] = "changed"
            self.assertEqual(table, {"a": "changed", "b": ADDRESS})

    def test_safe_subscriber(self):
        with endpoints(2) as (ep1, ep2), ep1.make_safe_subscriber("/test") as s1:
            join(ep1, ep2)
            ep2.publish_batch(("/test/1", ({"a": "A"},)), ("/test/2", ({1, 2},)), ("/test/3", ([1],)))
            table, members, vector = (value[0] for _, value in s1.get(3))
            with self.assertRaises(TypeError):
                table["b"] = "B"
            with self.assertRaises(AttributeError):
                members.add(3)
            with self.assertRaises(TypeError):
                vector[0] = 2
            self.assertEqual((table, members, vector), ({"a": "A"}, {1, 2}, (1,)))

    def test_safe_subscriber_polls_safely(self):
        nested = broker.Set([broker.Data({1}), broker.Data({"a": 1})])
        with endpoints(2) as (ep1, ep2), ep1.make_safe_subscriber("/test") as s1:
            join(ep1, ep2)
            ep2.publish_batch(("/test", nested), ("/test", {"a": 1}))
            eventually(lambda: s1.available() == 2, "two messages")
            (_, first), (_, second) = s1.poll()
            self.assertIsInstance(first, frozenset)
            self.assertIn(frozenset([1]), first)
            with self.assertRaises(TypeError):
                second["b"] = 1

    def test_nothing_is_sent_if_one_is_wrong(self):
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber("/test") as s1:
            join(ep1, ep2)
            self.assertRaises(TypeError, ep2.publish_batch, ("/test", 1), ("/test", 1j))
            self.assertRaises(TypeError, ep2.publish_batch, ("/test", 1), (5, 1))
            self.assertRaises(TypeError, ep2.publish, "/test", 1j)
            self.assertRaises(TypeError, ep2.publish, 5, 1)
            self.assertRaises(TypeError, ep2.publish, None, 1)
            ep2.publish("/test", "last")
            self.assertEqual(s1.get(), ("/test", "last"))

    def test_large(self):
        value = (b"\xff" * (4 << 20), "x" * 100000, tuple(range(50000)))
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber("/test") as s1:
            join(ep1, ep2)
            ep2.publish("/test", value)
            ep2.publish("/test", 1)
            self.assertEqual(s1.get(2), [("/test", value), ("/test", 1)])


class Publishers(unittest.TestCase):
    def test_three_messages_in_order(self):
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber("/test") as s1, \
                ep2.make_publisher("/test") as pub:
            join(ep1, ep2)
            pub.publish([1, 2])
            pub.publish_batch([3, 4], [5, 6])
            self.assertEqual(s1.get(3), [("/test", (1, 2)), ("/test", (3, 4)), ("/test", (5, 6))])
            self.assertEqual(pub.capacity(), 128)
            eventually(lambda: pub.buffered() == 0, "an empty buffer")
            self.assertIsInstance(pub.fd(), int)

    def test_more_than_fit(self):
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber("/test") as s1, \
                ep2.make_publisher(broker.Topic("/test")) as pub:
            join(ep1, ep2)
            count = 10 * pub.capacity()
            pub.publish_batch(*range(count))
            self.assertEqual([v for _, v in receive(s1, count)], list(range(count)))

    def test_wrong_data(self):
        with endpoint() as ep, ep.make_publisher("/test") as pub:
            self.assertRaises(TypeError, pub.publish, 1j)
            self.assertRaises(TypeError, pub.publish_batch, 1, 1j)

    def test_what_never_worked(self):
        with endpoint() as ep, ep.make_publisher("/test") as pub:
            for name in ("demand", "free_capacity", "send_rate"):
                with self.assertRaises(AttributeError):
                    getattr(pub, name)()

    def test_after_reset(self):
        with endpoint() as ep:
            pub = ep.make_publisher("/test")
            pub.reset()
            self.assertRaises(AttributeError, pub.publish, 1)


class Statuses(unittest.TestCase):
    def test_both_sides_learn_of_the_peering(self):
        with endpoints(2) as (ep1, ep2), ep1.make_status_subscriber(True) as es1, \
                ep2.make_status_subscriber(True) as es2:
            join(ep1, ep2)
            st1, st2 = es1.get(2), es2.get(2)
            for st in (st1, st2):
                self.assertEqual([type(s) for s in st], [broker.Status, broker.Status])
                self.assertEqual([s.code() for s in st], [SC.EndpointDiscovered, SC.PeerAdded])
            self.assertEqual(st2[1].context().network.get().address, "127.0.0.1")

    def test_unpeer(self):
        with endpoints(2) as (ep1, ep2), ep1.make_status_subscriber(True) as es1, \
                ep2.make_status_subscriber(True) as es2:
            port = join(ep1, ep2)
            self.assertIs(ep2.unpeer("127.0.0.1", port), True)
            self.assertEqual(codes(es2, 4), [SC.EndpointDiscovered, SC.PeerAdded, SC.PeerRemoved,
                                             SC.EndpointUnreachable])
            self.assertEqual(codes(es1, 2), [SC.EndpointDiscovered, SC.PeerAdded])
            self.assertIn(codes(es1, 2), ([SC.PeerLost, SC.EndpointUnreachable],
                                          [SC.PeerRemoved, SC.EndpointUnreachable]))
            self.assertEqual((ep1.peers(), ep2.peers()), ([], []))

    def test_unused_port(self):
        with endpoint() as ep, ep.make_status_subscriber() as es:
            port = unused_port()
            self.assertIs(ep.peer("127.0.0.1", port, 0.0), False)
            error = es.get()
            self.assertEqual(type(error), broker.Error)
            self.assertEqual(error.code(), EC.PeerUnavailable)
            self.assertIs(type(error.code()), int)
            self.assertEqual(
                repr(error), "peer_unavailable(endpoint_info(00000000-0000-0000-0000-000000000000, "
                "*127.0.0.1:%d), \"unable to connect to remote peer\")" % port)
            self.assertIsNone(ep.peer_nosync("127.0.0.1", port, 1.0))
            for _ in range(2):
                self.assertEqual(es.get(1)[0].code(), EC.PeerUnavailable)


class Chains(unittest.TestCase):
    def chain(self, eps):
        for left, right in zip(eps, eps[1:]):
            join(left, right)

    def arrives(self, sender, subscriber):
        """Sends until something arrives: subscriptions need time to get to the far end."""
        def attempt():
            sender.publish("/test/x", "far")
            return subscriber.get(1, 0.1)
        return eventually(attempt, "a message at the other end")

    def test_four_endpoints(self):
        with endpoints(4) as eps:
            subs = [ep.make_subscriber("/test/") for ep in eps]
            self.chain(eps)
            eps[0].await_peer(eps[3].node_id())
            self.assertEqual(self.arrives(eps[0], subs[3]), [("/test/x", "far")])
            for s in subs:
                s.reset()

    def test_forward(self):
        with endpoints(3) as eps:
            eps[1].forward("/test")
            with eps[2].make_subscriber("/test") as last:
                self.chain(eps)
                self.assertEqual(self.arrives(eps[0], last), [("/test/x", "far")])

    def test_forward_takes_topics_in_any_form(self):
        with endpoint() as ep:
            for topics in ("/a", broker.Topic("/a"), ["/a", broker.Topic("/b")], ("/c",), iter(["/d"])):
                self.assertIsNone(ep.forward(topics))
            self.assertRaises(TypeError, ep.forward, 5)


class Delivery(unittest.TestCase):
    def test_not_to_oneself(self):
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber("/test") as own, \
                ep2.make_subscriber("/test") as other:
            join(ep1, ep2)
            ep1.publish("/test", 1)
            self.assertEqual(other.get(), ("/test", 1))
            ep2.publish("/test", 2)
            self.assertEqual(own.get(), ("/test", 2))
            self.assertEqual(own.available(), 0)

    def test_to_one_peer_only(self):
        with endpoints(3) as (ep1, ep2, ep3), ep2.make_subscriber("/test") as s2, \
                ep3.make_subscriber("/test") as s3:
            join(ep2, ep1)
            join(ep3, ep1)
            info = next(p.peer for p in ep1.peers() if p.peer.node_id() == ep2.node_id())
            base = broker._broker.Endpoint
            base.publish(ep1, info, broker.Topic("/test"), broker.Data("for one"))
            self.assertEqual(s2.get(), ("/test", "for one"))
            ep1.publish("/test", "for all")
            self.assertEqual(s2.get(), ("/test", "for all"))
            self.assertEqual(s3.get(), ("/test", "for all"))

    def test_every_kind_of_value(self):
        from test_conversion import BOTH_WAYS, ONE_WAY
        values = [v for v, _, _ in BOTH_WAYS]
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber("/test") as s1:
            join(ep1, ep2)
            for v in values:
                ep2.publish("/test", v)
            self.assertEqual([v for _, v in receive(s1, len(values))], values)
            ep2.publish_batch(*(("/test", v[0]) for v in ONE_WAY))
            self.assertEqual([v for _, v in receive(s1, len(ONE_WAY))], [v[3] for v in ONE_WAY])

    def test_topics(self):
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber("/\u00e4") as s1:
            join(ep1, ep2)
            ep2.publish("/\u00e4/\u20ac", 1)
            self.assertEqual(s1.get(), ("/\u00e4/\u20ac", 1))

    def test_mapping_proxy(self):
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber("/test") as s1:
            join(ep1, ep2)
            ep2.publish("/test", types.MappingProxyType({"a": frozenset([1])}))
            self.assertEqual(s1.get(), ("/test", {"a": {1}}))


if __name__ == "__main__":
    unittest.main()
