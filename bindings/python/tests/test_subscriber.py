# SPDX-License-Identifier: Apache-2.0
"""Subscribers: every way to get messages, topics that change, and the descriptor."""

import gc
import os
import select
import unittest
import weakref

import broker
from broker import SC

from support import PATIENCE, configuration, endpoint, endpoints, eventually, in_thread, join, receive, unused_port


def waiting(fd, seconds=0):
    """Is there something to read at a descriptor?"""
    return bool(select.select([fd], [], [], seconds)[0])


class Pair(unittest.TestCase):
    """Two endpoints; what ep2 publishes on /test, sub receives."""

    def setUp(self):
        self.ep1 = self.enterCleanup(endpoint())
        self.ep2 = self.enterCleanup(endpoint())
        self.sub = self.ep1.make_subscriber("/test")
        join(self.ep1, self.ep2)

    def enterCleanup(self, context):
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def send(self, *values, topic="/test"):
        self.ep2.publish_batch(*((topic, v) for v in values))

    def arrived(self, count):
        eventually(lambda: self.sub.available() == count, "%d messages" % count)


class Getting(Pair):
    def test_one(self):
        self.send("a")
        self.assertEqual(self.sub.get(), ("/test", "a"))
        self.send("b")
        self.assertEqual(self.sub.get(PATIENCE), ("/test", "b"))

    def test_float_is_a_timeout(self):
        self.assertIsNone(self.sub.get(0.05))
        self.assertIsNone(self.sub.get(0.0))
        self.send("a")
        self.assertEqual(self.sub.get(float(PATIENCE)), ("/test", "a"))

    def test_int_is_a_count(self):
        self.send(1, 2, 3)
        self.assertEqual(self.sub.get(2), [("/test", 1), ("/test", 2)])
        self.assertEqual(self.sub.get(1), [("/test", 3)])
        self.assertEqual(self.sub.get(0), [])

    def test_count_waits_for_all(self):
        self.send(1)
        task = in_thread(self.sub.get, 3)
        self.send(2)
        self.send(3)
        self.assertEqual([v for _, v in task.result()], [1, 2, 3])

    def test_count_and_timeout(self):
        self.assertEqual(self.sub.get(2, 0.05), [])
        self.send(1, 2, 3)
        self.arrived(3)
        self.assertEqual([v for _, v in self.sub.get(2, 0.05)], [1, 2])
        self.assertEqual([v for _, v in self.sub.get(2, 0.05)], [3])

    def test_poll(self):
        self.assertEqual(self.sub.poll(), [])
        self.send(1, 2)
        self.arrived(2)
        self.assertEqual(self.sub.poll(), [("/test", 1), ("/test", 2)])
        self.assertEqual((self.sub.poll(), self.sub.available()), ([], 0))

    def test_no_keywords(self):
        for arguments in ({"timeout": 1}, {"timeout": 1.0}, {"num": 1}, {"n": 1}):
            with self.assertRaises(TypeError):
                self.sub.get(**arguments)
        self.assertRaises(TypeError, self.sub.get, "1")
        self.assertRaises(TypeError, self.sub.get, 1, 2.0, 3)

    def test_what_python_cannot_hold(self):
        nested = broker.Set([broker.Data({1})])
        self.send(nested, "next")
        self.arrived(2)
        with self.assertRaisesRegex(TypeError, "unhashable type: 'set'"):
            self.sub.get()
        self.assertEqual(self.sub.get(), ("/test", "next"))
        self.send(1, nested, 2)
        self.arrived(3)
        self.assertRaises(TypeError, self.sub.poll)
        self.assertEqual(self.sub.poll(), [("/test", 1), ("/test", 2)])
        self.send(1, nested, 2)
        self.arrived(3)
        self.assertRaises(TypeError, self.sub.get, 3, 0.05)
        self.assertEqual(self.sub.get(2), [("/test", 1), ("/test", 2)])

    def test_iteration(self):
        self.send(1, 2, 3)
        it = iter(self.sub)
        self.assertEqual([next(it)[1] for _ in range(3)], [1, 2, 3])
        self.send(4)
        self.arrived(1)
        self.ep1.shutdown()
        self.assertEqual(list(self.sub), [("/test", 4)])

    def test_order(self):
        for start in range(0, 2000, 100):
            self.send(*range(start, start + 100))
        self.assertEqual([v for _, v in receive(self.sub, 2000)], list(range(2000)))


class Descriptor(Pair):
    def test_readable_while_something_waits(self):
        fd = self.sub.fd()
        self.assertFalse(waiting(fd))
        self.send(1, 2)
        self.arrived(2)
        self.assertTrue(waiting(fd, PATIENCE))
        self.sub.get()
        self.assertTrue(waiting(fd))
        self.sub.get()
        self.assertFalse(waiting(fd))
        self.send(3)
        self.assertTrue(waiting(fd, PATIENCE))
        self.assertEqual(self.sub.poll(), [("/test", 3)])
        self.assertFalse(waiting(fd))
        self.assertEqual(self.sub.fd(), fd)

    def test_as_a_file(self):
        self.send(1)
        self.assertTrue(waiting(self.sub, PATIENCE))
        p = select.poll()
        p.register(self.sub.fd(), select.POLLIN)
        self.assertEqual(p.poll(PATIENCE * 1000), [(self.sub.fd(), select.POLLIN)])

    def test_never_early_never_late(self):
        for i in range(300):
            self.send(i)
            self.assertTrue(waiting(self.sub.fd(), PATIENCE))
            self.assertEqual(self.sub.poll(), [("/test", i)])
            self.assertFalse(waiting(self.sub.fd()))

    def test_statuses(self):
        with self.ep1.make_status_subscriber(True) as es, endpoint() as ep3:
            self.assertFalse(waiting(es.fd()))
            join(self.ep1, ep3)
            self.assertTrue(waiting(es.fd(), PATIENCE))


class Topics(Pair):
    def test_forms(self):
        for topics in ("/a", broker.Topic("/a"), ["/a"], ("/a", broker.Topic("/b")), {"/a"},
                       (t for t in ["/a"]), []):
            self.ep1.make_subscriber(topics).reset()
        for topics in (5, None, [5], [None]):
            self.assertRaises(TypeError, self.ep1.make_subscriber, topics)

    def test_arguments(self):
        class Mine(broker.Subscriber):
            extra = 5
        self.ep1.make_subscriber("/a", 1).reset()
        self.ep1.make_subscriber("/a", qsize=1).reset()
        self.assertIs(type(self.ep1.make_subscriber("/a", subscriber_class=Mine)), Mine)
        self.assertIs(type(self.ep1.make_safe_subscriber("/a", qsize=1)), broker.SafeSubscriber)
        self.assertTrue(issubclass(broker.SafeSubscriber, broker.Subscriber))

    def test_prefixes(self):
        # An empty topic would be the beginning of those on which endpoints tell of their peerings, too.
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber(["/a/", "/b"]) as sub, \
                ep1.make_subscriber("/") as everything:
            join(ep1, ep2)
            topics = ["/a", "/a/1", "/b", "/bc", "/c"]
            for t in topics:
                ep2.publish(t, None)
            self.assertEqual([t for t, _ in receive(everything, 5)], topics)
            self.assertEqual([t for t, _ in receive(sub, 3)], ["/a/1", "/b", "/bc"])
            self.assertEqual(sub.available(), 0)

    def test_empty_topic(self):
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber("") as sub:
            join(ep1, ep2)
            ep2.publish("x", 1)
            while sub.get() != ("x", 1):
                pass

    def test_added_and_removed(self):
        self.assertIsNone(self.sub.add_topic("/more", True))
        def attempt():
            self.send("x", topic="/more")
            return self.sub.get(1, 0.05)
        self.assertEqual(eventually(attempt, "the new topic"), [("/more", "x")])
        self.assertIsNone(self.sub.remove_topic(broker.Topic("/more"), block=True))
        self.send("end")
        while self.sub.get() != ("/test", "end"):
            pass
        self.send("gone", topic="/more")
        self.send("last")
        self.assertEqual(self.sub.get(), ("/test", "last"))
        self.assertRaises(TypeError, self.sub.add_topic, 5)


class Released(Pair):
    def test_reset(self):
        self.sub.reset()
        for call in (self.sub.get, self.sub.poll, self.sub.available, self.sub.fd,
                     lambda: self.sub.add_topic("/x"), lambda: self.sub.get(1, 0.1)):
            self.assertRaises(AttributeError, call)

    def test_leaving_with(self):
        with self.ep1.make_subscriber("/x") as sub, self.ep1.make_status_subscriber() as es:
            pass
        self.assertRaises(AttributeError, sub.poll)
        self.assertRaises(AttributeError, es.poll)

    def test_ends_a_wait(self):
        task = in_thread(self.sub.get)
        eventually(task.running, "a waiting thread")
        self.sub.reset()
        with self.assertRaises((RuntimeError, AttributeError)):
            task.result()

    def test_keeps_the_endpoint(self):
        ep = endpoint()
        sub = ep.make_subscriber("/test")
        port = ep.listen("127.0.0.1", 0)
        del ep
        self.assertIs(self.ep2.peer("127.0.0.1", port, 0), True)
        self.send(1)
        self.assertEqual(sub.get(), ("/test", 1))


class Limits(unittest.TestCase):
    def test_the_newest_are_kept(self):
        cfg = configuration(extra={"subscriber_messages": 10, "flow_control": False})
        with broker.Endpoint(cfg) as ep1, endpoint() as ep2, ep1.make_subscriber("/test") as sub, \
                ep1.make_subscriber("/end") as end:
            join(ep1, ep2)
            ep2.publish_batch(*(("/test", i) for i in range(100)))
            ep2.publish("/end", None)
            self.assertEqual(end.get(), ("/end", None))
            self.assertEqual([v for _, v in sub.poll()], list(range(90, 100)))

    def test_unknown_options(self):
        for extra in ({"no_such_option": 1}, {"subscriber_messages": "many"}):
            with self.assertRaises(broker.ArgumentError) as caught:
                broker.Endpoint(configuration(extra=extra))
            self.assertIn(list(extra)[0], str(caught.exception))


class Lifetimes(unittest.TestCase):
    def test_cycles_are_collected(self):
        class Mine(broker.Subscriber):
            def __init__(self, source):
                super().__init__(source)
                self.myself, self.callback = self, self.get
        with endpoint() as ep:
            sub = ep.make_subscriber("/x", subscriber_class=Mine)
            gone, fd = weakref.ref(sub), sub.fd()
            del sub
            gc.collect()
            self.assertIsNone(gone())
            self.assertRaises(OSError, os.fstat, fd)

    def test_endpoints_in_cycles(self):
        class Node:
            pass
        node = Node()
        node.ep, node.myself = endpoint(), node
        node.sub = node.ep.make_subscriber("/x")
        port = unused_port()
        self.assertEqual(node.ep.listen("127.0.0.1", port), port)
        gone = weakref.ref(node)
        del node
        gc.collect()
        self.assertIsNone(gone())
        with endpoint() as ep:
            eventually(lambda: ep.listen("127.0.0.1", port) == port, "the port to be free again")


class StatusSubscribers(unittest.TestCase):
    def test_ways_to_get(self):
        with endpoints(2) as (ep1, ep2), ep1.make_status_subscriber(True) as es:
            self.assertEqual((es.poll(), es.get(2, 0.05), es.available()), ([], [], 0))
            self.assertIsNone(es.get(0.05))
            join(ep1, ep2)
            eventually(lambda: es.available() == 2, "two statuses")
            self.assertEqual(es.get().code(), SC.EndpointDiscovered)
            self.assertEqual(es.get(float(PATIENCE)).code(), SC.PeerAdded)
            self.assertEqual(es.poll(), [])

    def test_errors_only(self):
        with endpoints(2) as (ep1, ep2), ep1.make_status_subscriber() as es, \
                ep1.make_status_subscriber(receive_statuses=True) as everything:
            join(ep1, ep2)
            receive(everything, 2)
            ep1.unpeer("127.0.0.1", 1)
            self.assertEqual(type(receive(es)[0]), broker.Error)


if __name__ == "__main__":
    unittest.main()
