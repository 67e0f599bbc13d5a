# SPDX-License-Identifier: Apache-2.0
"""Many threads on one endpoint, and calls that wait without holding up the others."""

import threading
import unittest

from broker import Backend

from support import PATIENCE, endpoint, endpoints, eventually, in_thread, join, receive

THREADS = 16


class Threads(unittest.TestCase):
    def test_publish_from_many(self):
        count = 500
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber("/test") as sub:
            join(ep1, ep2)
            def publish(number):
                for i in range(count):
                    ep2.publish("/test/%d" % number, i)
            tasks = [in_thread(publish, n) for n in range(THREADS)]
            seen = {}
            for topic, value in receive(sub, THREADS * count):
                seen.setdefault(topic, []).append(value)
            for t in tasks:
                t.result()
            self.assertEqual(seen, {"/test/%d" % n: list(range(count)) for n in range(THREADS)})

    def test_receive_by_many(self):
        count = 1600
        with endpoints(2) as (ep1, ep2), ep1.make_subscriber("/test") as sub:
            join(ep1, ep2)
            def take():
                got = []
                while True:
                    topic, value = sub.get()
                    if value is None:
                        return got
                    got.append(value)
            tasks = [in_thread(take) for _ in range(THREADS)]
            for i in range(count):
                ep2.publish("/test", i)
            ep2.publish_batch(*([("/test", None)] * THREADS))
            got = [t.result() for t in tasks]
            for mine in got:
                self.assertEqual(mine, sorted(mine))
            self.assertEqual(sorted(sum(got, [])), list(range(count)))

    def test_everything_at_once(self):
        with endpoints(2) as (ep1, ep2):
            store = ep1.attach_master("s", Backend.Memory)
            port = join(ep1, ep2)
            store.put("n", 0)
            def work(number):
                with ep1.make_subscriber("/own/%d/" % number) as sub:
                    for i in range(40):
                        store.increment("n", 1)
                        store.put((number, i), i)
                        self.assertEqual(store.get((number, i)), i)
                        self.assertEqual(len(ep1.peers()), 1)
                        sub.add_topic("/more/%d/%d" % (number, i))
                        sub.poll()
                        ep2.publish("/own/%d/" % number, i)
            for t in [in_thread(work, n) for n in range(THREADS)]:
                t.result()
            eventually(lambda: store.get("n") == THREADS * 40, "all increments")
            self.assertGreater(port, 0)

    def test_others_go_on_while_one_waits(self):
        with endpoint() as ep, ep.make_subscriber("/test") as sub:
            waiting = [in_thread(sub.get, 1, PATIENCE), in_thread(ep.await_peer, "nobody", PATIENCE),
                       in_thread(ep.peer, "127.0.0.1", 1)]
            # This thread runs, though none of the calls has come back.
            self.assertEqual(sum(range(100000)), 4999950000)
            self.assertTrue(all(t.running() for t in waiting))
            self.assertEqual(ep.attach_master("s", Backend.Memory).keys(), set())
            self.assertTrue(all(t.running() for t in waiting))
            ep.shutdown()
            self.assertIs(waiting[2].result(), False)

    def test_shutdown_from_another_thread(self):
        for _ in range(5):
            ep = endpoint()
            store = ep.attach_master("s", Backend.Memory)
            sub = ep.make_subscriber("/test")
            stop = threading.Event()
            def work():
                i = 0
                while not stop.is_set():
                    ep.publish("/test", i)
                    store.put("k", i)
                    store.get("k")
                    sub.poll()
                    i += 1
                return i
            tasks = [in_thread(work) for _ in range(4)]
            ep.shutdown()
            stop.set()
            for t in tasks:
                self.assertGreaterEqual(t.result(), 0)

    def test_reset_while_others_use_it(self):
        with endpoint() as ep:
            for _ in range(10):
                sub = ep.make_subscriber("/test")
                def work():
                    try:
                        while True:
                            sub.get(1, 0.001)
                            sub.poll()
                    except (AttributeError, RuntimeError):
                        return True
                tasks = [in_thread(work) for _ in range(4)]
                sub.reset()
                for t in tasks:
                    self.assertIs(t.result(), True)


if __name__ == "__main__":
    unittest.main()
