# SPDX-License-Identifier: Apache-2.0
"""Endpoints: options, listening, peerings, and their end."""

import re
import unittest
import uuid

import broker
from broker import EC, SC

from support import (PATIENCE, codes, configuration, endpoint, endpoints, eventually, in_thread, join,
                     process, receive, unused_port)


class Options(unittest.TestCase):
    def test_defaults(self):
        o = broker.BrokerOptions()
        self.assertEqual((o.disable_ssl, o.disable_forwarding, o.ignore_broker_conf, o.use_real_time),
                         (False, False, False, True))
        for cfg in (broker.Configuration(), broker.Configuration(o)):
            self.assertEqual((cfg.openssl_cafile, cfg.openssl_capath, cfg.openssl_certificate,
                              cfg.openssl_key, cfg.openssl_passphrase), ("",) * 5)
            self.assertEqual(cfg.max_threads, 0)

    def test_all_can_be_set(self):
        cfg = configuration(disable_forwarding=True, ignore_broker_conf=True, max_threads=1)
        self.assertEqual(cfg.max_threads, 1)
        broker.Endpoint(cfg).shutdown()

    def test_the_configuration_is_copied(self):
        cfg = configuration()
        with broker.Endpoint(cfg) as ep1:
            cfg.openssl_cafile = "/nowhere"
            with endpoint() as ep2:
                join(ep1, ep2)

    def test_half_a_certificate(self):
        cfg = broker.Configuration()
        cfg.openssl_cafile = "/nowhere"
        with self.assertRaises((RuntimeError, ValueError, OSError)) as caught:
            broker.Endpoint(cfg)
        self.assertTrue(str(caught.exception))

    def test_wrong_arguments(self):
        self.assertRaises(TypeError, broker.Endpoint, 5)
        self.assertRaises(TypeError, broker.Configuration, 5)


class Identity(unittest.TestCase):
    def test_node_id(self):
        with endpoints(2) as (ep1, ep2):
            self.assertEqual(str(uuid.UUID(ep1.node_id())), ep1.node_id())
            self.assertEqual(repr(ep1), ep1.node_id())
            self.assertNotEqual(ep1.node_id(), ep2.node_id())
            self.assertIsInstance(ep1, broker._broker.Endpoint)


class Listening(unittest.TestCase):
    def test_chosen_port(self):
        with endpoint() as ep:
            port = ep.listen("127.0.0.1", 0)
            self.assertTrue(0 < port < 65536)
            self.assertNotEqual(ep.listen("127.0.0.1", 0), port)

    def test_all_interfaces(self):
        with endpoints(2) as (ep1, ep2):
            port = ep1.listen("", 0)
            self.assertIs(ep2.peer("127.0.0.1", port, 0), True)

    def test_failures(self):
        with endpoints(2) as (ep1, ep2):
            port = ep1.listen("127.0.0.1", 0)
            self.assertEqual(ep2.listen("127.0.0.1", port), 0)
            self.assertEqual(ep2.listen("no such host", 0), 0)

    def test_wrong_arguments(self):
        with endpoint() as ep:
            for args in ((), ("127.0.0.1",), ("127.0.0.1", -1), ("127.0.0.1", 65536),
                         ("127.0.0.1", "1"), (1, 1), ("127.0.0.1", None)):
                with self.subTest(repr(args)):
                    self.assertRaises(TypeError, ep.listen, *args)


class Peering(unittest.TestCase):
    def test_peers(self):
        with endpoints(2) as (ep1, ep2):
            self.assertEqual(ep1.peers(), [])
            port = join(ep1, ep2)
            (p,) = ep2.peers()
            self.assertIsInstance(p, broker.PeerInfo)
            self.assertEqual((p.flags, p.status), (broker.PeerFlags.Remote, broker.PeerStatus.Peered))
            self.assertEqual((p.peer.node_id(), repr(p.peer)), (ep1.node_id(),) * 2)
            self.assertTrue(p.peer.network.is_set())
            net = p.peer.network.get()
            self.assertEqual((net.address, net.port, repr(net)), ("127.0.0.1", port, "127.0.0.1:%d" % port))
            (p,) = ep1.peers()
            self.assertEqual(p.peer.node_id(), ep2.node_id())
            self.assertEqual(p.peer.network.get().address, "127.0.0.1")

    def test_twice(self):
        with endpoints(2) as (ep1, ep2):
            port = join(ep1, ep2)
            self.assertIs(ep2.peer("127.0.0.1", port, 0), True)
            self.assertEqual(len(ep2.peers()), 1)

    def test_goes_on_until_it_succeeds(self):
        port = unused_port()
        with endpoints(2) as (ep1, ep2), ep2.make_status_subscriber(True) as es:
            peering = in_thread(ep2.peer, "127.0.0.1", port, 1.0)
            self.assertEqual(codes(es, 1), [EC.PeerUnavailable])
            self.assertEqual(ep1.listen("127.0.0.1", port), port)
            self.assertIs(peering.result(), True)

    def test_retry_is_cut_to_seconds(self):
        with endpoint() as ep:
            self.assertIs(ep.peer("127.0.0.1", unused_port(), 0.9), False)

    def test_default_retry_waits(self):
        with endpoint() as ep1:
            ep2 = endpoint()
            peering = in_thread(ep2.peer, "127.0.0.1", unused_port())
            self.assertIsNotNone(ep1)
            ep2.shutdown()
            self.assertIs(peering.result(), False)

    def test_peer_nosync(self):
        with endpoints(2) as (ep1, ep2), ep2.make_status_subscriber(True) as es:
            port = ep1.listen("127.0.0.1", 0)
            self.assertIsNone(ep2.peer_nosync("127.0.0.1", port))
            self.assertEqual(codes(es, 2), [SC.EndpointDiscovered, SC.PeerAdded])
            self.assertIsNone(ep2.unpeer_nosync("127.0.0.1", port))
            self.assertEqual(codes(es, 2), [SC.PeerRemoved, SC.EndpointUnreachable])

    def test_unpeer_of_a_stranger(self):
        with endpoint() as ep, ep.make_status_subscriber() as es:
            self.assertIs(ep.unpeer("127.0.0.1", unused_port()), True)
            error = receive(es)[0]
            self.assertEqual((type(error), error.code()), (broker.Error, EC.PeerInvalid))

    def test_lost(self):
        with endpoint() as ep, ep.make_status_subscriber(True) as es:
            port = ep.listen("127.0.0.1", 0)
            with process(LIVE, port):
                self.assertEqual(codes(es, 2), [SC.EndpointDiscovered, SC.PeerAdded])
            self.assertEqual(codes(es, 2), [SC.PeerLost, SC.EndpointUnreachable])

    def test_wrong_arguments(self):
        with endpoint() as ep:
            for args in ((), ("127.0.0.1",), ("127.0.0.1", 65536), ("127.0.0.1", -1), (1, 1),
                         ("127.0.0.1", 1, "soon")):
                with self.subTest(repr(args)):
                    self.assertRaises(TypeError, ep.peer, *args)
                    self.assertRaises(TypeError, ep.peer_nosync, *args)
            self.assertRaises(TypeError, ep.unpeer, "127.0.0.1")

    def test_keyword_arguments(self):
        with endpoints(2) as (ep1, ep2):
            port = ep1.listen(address="127.0.0.1", port=0)
            self.assertIs(ep2.peer(address="127.0.0.1", port=port, retry=1.0), True)
            self.assertIs(ep2.unpeer(address="127.0.0.1", port=port), True)

    def test_peer_subscriptions(self):
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber(["/b", "/a"]):
            join(ep1, ep2)
            try:
                topics = ep2.peer_subscriptions()
            except RuntimeError as e:  # the reference ends the process
                self.assertTrue(str(e))
            else:
                self.assertEqual(sorted(t.string() for t in topics), ["/a", "/b"])


LIVE = """
import sys, broker
options = broker.BrokerOptions()
options.disable_ssl = True
ep = broker.Endpoint(broker.Configuration(options))
ep.peer("127.0.0.1", int(sys.argv[1]))
sys.stdin.read()
"""


class Awaiting(unittest.TestCase):
    def test_present(self):
        with endpoints(2) as (ep1, ep2):
            join(ep1, ep2)
            self.assertIs(ep1.await_peer(ep2.node_id()), True)
            self.assertIs(ep1.await_peer(ep2.node_id(), 5), True)
            self.assertIs(ep1.await_peer(ep2.node_id(), timeout=0.5), True)

    def test_absent(self):
        with endpoint() as ep:
            self.assertIs(ep.await_peer(str(uuid.uuid4()), 0.05), False)

    def test_no_id(self):
        with endpoint() as ep:
            for text in ("", "nobody", "\u20ac"):
                self.assertIs(ep.await_peer(text, 0.05), False)

    def test_later(self):
        with endpoints(2) as (ep1, ep2):
            waiting = in_thread(ep1.await_peer, ep2.node_id(), PATIENCE)
            join(ep1, ep2)
            self.assertIs(waiting.result(), True)


class Ending(unittest.TestCase):
    def test_with_idle_subscribers(self):
        with endpoints(2) as (ep1, ep2):
            subs = [ep1.make_subscriber("/test"), ep1.make_safe_subscriber("/test"),
                    ep1.make_status_subscriber(True), ep1.make_publisher("/test")]
            join(ep1, ep2)
        self.assertEqual(len(subs), 4)

    def test_repeatable(self):
        ep = endpoint()
        self.assertIsNone(ep.shutdown())
        self.assertIsNone(ep.shutdown())

    def test_afterwards(self):
        ep = endpoint()
        sub, es = ep.make_subscriber("/test"), ep.make_status_subscriber(True)
        store = ep.attach_master("s", broker.Backend.Memory)
        ep.shutdown()
        self.assertEqual((sub.poll(), sub.get(1, 0.05), sub.available()), ([], [], 0))
        self.assertIsNone(sub.get(0.05))
        with self.assertRaisesRegex(RuntimeError, "subscriber queue closed"):
            sub.get()
        self.assertEqual(sub.get(0), [])
        self.assertRaises(RuntimeError, sub.get, 1)
        self.assertEqual(es.poll(), [])
        self.assertEqual(store.name(), "")
        self.assertIsNone(store.get("k"))
        self.assertIsNone(store.put("k", 1))
        self.assertIsNone(ep.publish("/test", 1))
        self.assertIsNone(ep.publish_batch(("/test", 1)))
        self.assertEqual(ep.listen("127.0.0.1", 0), 0)
        self.assertEqual((str(uuid.UUID(ep.node_id())), repr(ep)), (ep.node_id(),) * 2)
        self.assertEqual(ep.peers(), [])
        self.assertIs(ep.unpeer("127.0.0.1", 1), True)
        self.assertIs(ep.await_peer("nobody", 0.05), False)
        self.assertIs(ep.peer("127.0.0.1", unused_port(), 0), False)
        self.assertIsNone(ep.attach_master("t", broker.Backend.Memory))

    def test_what_waits_ends(self):
        ep = endpoint()
        sub, es = ep.make_subscriber("/test"), ep.make_status_subscriber(True)
        tasks = [in_thread(sub.get), in_thread(es.get)]
        eventually(lambda: all(t.running() for t in tasks), "waiting threads")
        ep.shutdown()
        for t in tasks:
            self.assertRaises(RuntimeError, t.result)

    def test_what_has_arrived_can_still_be_read(self):
        with endpoint() as ep2:
            ep1 = endpoint()
            sub = ep1.make_subscriber("/test")
            join(ep1, ep2)
            ep2.publish_batch(("/test", 1), ("/test", 2))
            eventually(lambda: sub.available() == 2, "two messages")
            ep1.shutdown()
            self.assertEqual(sub.get(), ("/test", 1))
            self.assertEqual(sub.poll(), [("/test", 2)])

    def test_published_before_the_end_arrives(self):
        with endpoint() as ep1, ep1.make_subscriber("/test") as sub:
            with endpoint() as ep2:
                join(ep1, ep2)
                for i in range(100):
                    ep2.publish("/test", i)
            self.assertEqual([v for _, v in receive(sub, 100)], list(range(100)))

    def test_exception_in_with(self):
        with self.assertRaises(KeyError):
            with endpoint() as ep:
                raise KeyError
        self.assertEqual(ep.listen("127.0.0.1", 0), 0)


class Texts(unittest.TestCase):
    def test_status(self):
        with endpoints(2) as (ep1, ep2), ep2.make_status_subscriber(True) as es:
            port = join(ep1, ep2)
            discovered, added = receive(es, 2)
            self.assertEqual(repr(added), 'peer_added(%s, 127.0.0.1:%d, "handshake successful")'
                             % (ep1.node_id(), port))
            self.assertTrue(re.match(r"endpoint_discovered\(%s" % ep1.node_id(), repr(discovered)))
            self.assertEqual(added.context().node_id(), ep1.node_id())

    def test_empty(self):
        self.assertIsNone(broker.Status().context())
        self.assertEqual(broker.Status().code(), SC.Unspecified)
        error = broker.Error()
        try:
            self.assertIsInstance(error.code(), int)
        except RuntimeError:  # the reference ends the process
            pass
        self.assertIsInstance(repr(error), str)


if __name__ == "__main__":
    unittest.main()
