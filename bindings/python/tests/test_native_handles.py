# SPDX-License-Identifier: Apache-2.0
"""Endpoints, subscribers, publishers, stores and calls of the extension, below the package."""

import gc
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
import unittest
import weakref

from broker import _native as native

Count = native.Count


def pair(test, topics=("/t",), receiver=native.Subscriber):
    """Two endpoints that are peers, and a subscriber at the first."""
    a, b = native.Endpoint({"disable_ssl": True}), native.Endpoint({"disable_ssl": True})
    test.addCleanup(a.close)
    test.addCleanup(b.close)
    sub = receiver(a, topics)
    port = a.listen("127.0.0.1", 0)
    b.call("peer", "127.0.0.1", Count(port), native.Timespan(0))
    a.call("await_peer", b.node_id(), timeout=20)
    b.call("sync", timeout=20)
    return a, b, sub


def readable(fd, timeout=0):
    return bool(select.select([fd], [], [], timeout)[0])


class Messages(unittest.TestCase):
    def test_publish_and_get(self):
        a, b, sub = pair(self)
        b.publish("/t/1", [1, {"a": 2.5}])
        b.publish_batch(("/t/2", None), ["/t/3", "x"])
        self.assertEqual(sub.get(), ("/t/1", (1, {"a": 2.5})))
        self.assertEqual(sub.get(2, 20.0), [("/t/2", None), ("/t/3", "x")])
        self.assertEqual((sub.poll(), sub.available(), sub.get(0), sub.get(0.0), sub.get(3, 0.0)), ([], 0, [], None, []))

    def test_raw_publish_to_one(self):
        a, b, sub = pair(self)

        class Info:
            def node_id(self):
                return a.node_id()

        b.publish(Info(), "/t", 5)
        b.publish(a.node_id(), "/t", 6)
        self.assertEqual(sub.get(2), [("/t", 5), ("/t", 6)])
        self.assertRaises(ValueError, b.publish, "short", "/t", 7)

    def test_wrong_arguments(self):
        a, b, sub = pair(self)
        for args in [(1, 2), ("/t",), (), (None, 1), (b"/t", 1)]:
            self.assertRaises(TypeError, b.publish, *args)
        self.assertRaisesRegex(TypeError, r"^value\[0\]: unsupported", b.publish, "/t", [1j])
        self.assertRaises(TypeError, b.publish_batch, ("/t", 1), ("/t",))
        self.assertRaises(TypeError, b.publish_batch, ("/t", 1), ("/t", 1j))
        self.assertRaises(TypeError, b.publish_batch, 5)
        self.assertRaises(ValueError, b.publish_batch, ("x" * 65536, 1))
        for args in [("1",), (1, 2, 3), ("a", 1), (1.0, 2.0), (1, "x")]:
            self.assertRaises(TypeError, sub.get, *args)
        self.assertRaises(TypeError, lambda: sub.get(timeout=1))
        self.assertRaises(ValueError, sub.get, -1)
        self.assertRaises(TypeError, a.listen, "127.0.0.1", 65536)
        self.assertRaises(TypeError, a.listen, "127.0.0.1")
        self.assertEqual(a.listen("no such host.", 0), 0)
        self.assertRaises(TypeError, native.Subscriber, a, [5])
        self.assertRaises(TypeError, native.Subscriber, "a", ["/t"])
        self.assertRaises(TypeError, sub.add_topic, ["/a"])
        b.publish("/t", "nothing was sent before")
        self.assertEqual(sub.get(1, 20.0), [("/t", "nothing was sent before")])

    def test_topics_of_objects(self):
        a, b, sub = pair(self)

        class Topic:
            def string(self):
                return "/t/o"

        b.publish(Topic(), 1)
        self.assertEqual(sub.get(), ("/t/o", 1))

    def test_descriptor_tells_of_what_was_fetched_already(self):
        a, b, sub = pair(self)
        self.assertFalse(readable(sub.fd()))
        b.publish_batch(*[("/t", i) for i in range(300)])
        self.assertTrue(readable(sub.fd(), 20))
        self.assertEqual(sub.get()[1], 0)
        for i in range(1, 300):
            self.assertTrue(readable(sub.fileno(), 20))
            self.assertEqual(sub.get(1), [("/t", i)])
        self.assertFalse(readable(sub.fd()))

    def test_message_that_cannot_be_converted(self):
        """It alone is lost, and what came with it still waits."""
        a, b, sub = pair(self)
        bad = native.Data.from_bytes(b"\x0c\x01" + native.encode({1}))
        for read in (lambda: sub.get(5), sub.poll):
            b.publish_batch(*[("/t", v) for v in (1, 2, bad, 4, 5)])
            while sub.available() < 5:
                readable(sub.fd(), 1)
            self.assertRaisesRegex(TypeError, "unhashable", read)
            self.assertEqual(sub.available(), 4)
            self.assertTrue(readable(sub.fd()))
            self.assertEqual([v for _, v in sub.get(4)], [1, 2, 4, 5])
        b.publish("/t", bad)
        self.assertRaisesRegex(TypeError, "unhashable", sub.get)

    def test_immutable(self):
        class Safe(native.Subscriber):
            _immutable = True

        a, b, sub = pair(self, receiver=Safe)
        b.publish("/t", {1, 2})
        self.assertIs(type(sub.get()[1]), frozenset)
        b.publish("/t", {1, 2})
        self.assertIs(type(sub.get(1)[0][1]), frozenset)

    def test_topics_change(self):
        a, b, sub = pair(self)
        sub.add_topic("/u")
        a.call("sync", timeout=20)
        for i in range(1000):
            b.publish("/u", i)
            if sub.get(0.05) is not None:
                break
        else:
            self.fail("the new topic never came")
        sub.remove_topic("/u")
        sub.poll()

    def test_end(self):
        a, b, sub = pair(self)
        b.publish_batch(("/t", 1), ("/t", 2))
        self.assertEqual(sub.get(), ("/t", 1))
        while sub.available() < 1:
            time.sleep(0.001)
        a.call("shutdown")
        self.assertEqual(sub.get(), ("/t", 2))
        self.assertRaisesRegex(RuntimeError, "^subscriber queue closed$", sub.get)
        self.assertRaisesRegex(RuntimeError, "^subscriber queue closed$", sub.get, 2)
        self.assertEqual((sub.get(1.0), sub.get(2, 1.0), sub.poll(), sub.available(), list(sub), sub.closed()), (None, [], [], 0, [], True))
        self.assertTrue(readable(sub.fd()))
        a.publish("/t", 1)
        sub.reset()
        for call in (sub.get, sub.poll, sub.fd, sub.available):
            self.assertRaises(AttributeError, call)
        sub.reset()
        a.close()
        self.assertRaises(RuntimeError, a.node_id)
        self.assertIn("closed", repr(a))

    def test_status(self):

        a, b, sub = pair(self)
        with_all = native.StatusSubscriber(a, True)
        errors = native.StatusSubscriber(b)
        self.assertRaises(RuntimeError, b.call, "peer", "127.0.0.1", Count(1), native.Timespan(0))
        self.assertIsNotNone(errors.get(20.0))
        b.call("shutdown")
        self.assertEqual(len(with_all.get(2, 20.0)), 2)

    def test_publisher(self):
        a, b, sub = pair(self)
        p = native.Publisher(b, "/t")
        self.assertEqual((p.capacity() > 0, p.buffered() >= 0), (True, True))
        self.assertTrue(readable(p.fd(), 20))
        p.publish([1])
        p.publish_batch(*range(1000))
        self.assertEqual([v for _, v in sub.get(1001)], [(1,)] + list(range(1000)))
        self.assertRaises(TypeError, p.publish, 1j)
        self.assertRaises(TypeError, native.Publisher, b, 5)
        p.reset()
        self.assertRaises(AttributeError, p.publish, 1)

    def test_many_threads(self):
        a, b, sub = pair(self)
        n, each = 8, 500
        failed = []

        def publish(k):
            try:
                for i in range(each):
                    b.publish("/t/%d" % k, i)
            except Exception as e:  # noqa: BLE001
                failed.append(e)

        got, lock = [], threading.Lock()

        def receive():
            try:
                while True:
                    some = [sub.get()] + sub.poll() + sub.get(3, 0.001)
                    with lock:
                        got.extend(some)
            except RuntimeError:
                pass

        threads = [threading.Thread(target=publish, args=(k,)) for k in range(n)]
        receivers = [threading.Thread(target=receive) for _ in range(4)]
        for t in threads + receivers:
            t.start()
        for t in threads:
            t.join()
        b.call("flush", timeout=30)
        while True:
            with lock:
                if len(got) == n * each:
                    break
            time.sleep(0.001)
        a.call("shutdown")
        for t in receivers:
            t.join()
        self.assertEqual(failed, [])
        self.assertEqual(sorted(got), sorted(("/t/%d" % k, i) for k in range(n) for i in range(each)))


class Stores(unittest.TestCase):
    def master(self, options=None):
        ep = native.Endpoint({"disable_ssl": True})
        self.addCleanup(ep.close)
        return ep, native.Store(ep, True, "s", options or {"backend": "memory"})

    def test_reads_and_writes(self):
        ep, st = self.master()
        st.write("put", "k", [1, 2], None)
        st.write("increment", "n", Count(5), 30)
        self.assertEqual(st.read("get", "k"), (1, 2))
        self.assertEqual(st.read("get", "n", timeout=5), Count(5))
        self.assertEqual((st.read("exists", "k"), st.read("exists", "z"), st.read("keys")), (True, False, {"k", "n"}))
        self.assertEqual(st.read("index", "k", 1), 2)
        self.assertEqual(st.read("size")[0], Count(2))
        self.assertRaises(RuntimeError, st.read, "get", "z")
        self.assertRaises((RuntimeError, ValueError), st.read, "nonsense")
        self.assertRaises(TypeError, st.read, "get", 1j)
        self.assertRaises(TypeError, st.write)
        self.assertRaises(TypeError, st.read, "get", "k", x=1)
        self.assertEqual(st.call("put_unique", "k", 1, None), False)
        self.assertEqual(st.name(), "s")

    def test_expiry_in_seconds(self):
        ep, st = self.master()
        st.write("put", "long", 1, 30.0)
        st.write("put", "longer", 1, 40)
        left = {key: value for key, _, value in st.entries()}
        for key, most in (("long", 30), ("longer", 40)):
            self.assertTrue(most - 20 < left[key].total_seconds() <= most)
        self.assertRaises(TypeError, st.write, "put", "k", 1, "soon", 5, 1j)

    def test_entries(self):
        ep, st = self.master()
        for i in range(1000):
            st.write("put", i, str(i), None)
        self.assertEqual(sorted(st.entries()), [(i, str(i), None) for i in range(1000)])

    def test_watch(self):
        ep, st = self.master()
        watch = st.watch()
        one = st.watch("k")
        st.write("put", "j", 1, None)
        st.write("put", "k", 2, None)
        st.write("erase", "k")
        events = watch.get(3)
        self.assertEqual([(e[0], e[1], e[2], e[3]) for e in events],
                         [("insert", "j", None, 1), ("insert", "k", None, 2), ("erase", "k", 2, None)])
        self.assertEqual([e[0] for e in one.get(2)], ["insert", "erase"])
        self.assertFalse(readable(watch.fileno()))
        watch.close()
        self.assertRaises(AttributeError, watch.get)
        self.assertEqual([e[1] for e in st.watch(after=events[0][4]).get(2)], ["k", "k"])
        self.assertEqual(st.watch(None, events[1][4].value).get()[0], "erase")

    def test_calls(self):
        ep, st = self.master()
        call = st.start("put", "k", 1, None)
        self.assertTrue(readable(call.fileno(), 20))
        self.assertTrue(call.done())
        self.assertIsNone(call.result())
        self.assertIsNone(call.result(0))
        waiting = ep.start("await_any")
        self.assertFalse(waiting.done())
        self.assertRaises(RuntimeError, waiting.result, 0.01)
        waiting.cancel()
        self.assertRaises(RuntimeError, waiting.result)
        self.assertRaises(RuntimeError, ep.call, "await_any", timeout=0.01)
        failing = st.start("index", "z", 1)
        for _ in range(2):
            self.assertRaises(RuntimeError, failing.result)
        ep.start("await_any").detach()
        st.start("put", "k", 2, None).detach()
        self.assertRaises(TypeError, type(call))
        self.assertRaises(TypeError, ep.call)
        self.assertRaises(TypeError, ep.call, "await_any", later=1)

    def test_errors_of_opening(self):
        ep, st = self.master()
        self.assertRaises(RuntimeError, native.Store, ep, False, "s", {})
        self.assertRaises(RuntimeError, native.Store, ep, True, "bad", {"backend": "sqlite"})
        self.assertRaises(RuntimeError, native.Endpoint, {"no such option": 1})
        self.assertRaises(TypeError, native.Store, ep, True, 5)
        st.close()
        self.assertEqual(st.name(), "")
        self.assertRaises(RuntimeError, st.read, "get", "k")


class Lifetimes(unittest.TestCase):
    def test_owner_stays(self):
        a, b, sub = pair(self)
        gone = weakref.ref(type("E", (native.Endpoint,), {})({"disable_ssl": True}))
        gc.collect()
        self.assertIsNone(gone())

    def test_cycles_are_collected(self):
        class Ep(native.Endpoint):
            pass

        class Sub(native.Subscriber):
            pass

        ep = Ep({"disable_ssl": True})
        ep.sub = Sub(ep, ["/t"])
        ep.status = native.StatusSubscriber(ep, True)
        ep.publisher = native.Publisher(ep, "/t")
        ep.store = native.Store(ep, True, "s")
        ep.store.write("put", 1, 2)
        ep.entries = ep.store.entries()
        ep.call_ = ep.start("await_any")
        gone = weakref.ref(ep)
        del ep
        gc.collect()
        self.assertIsNone(gone())

    def test_never_initialised(self):
        for class_ in (native.Endpoint, native.Subscriber, native.StatusSubscriber, native.Publisher, native.Store):
            raw = class_.__new__(class_)
            del raw
        self.assertRaises(RuntimeError, native.Endpoint.__new__(native.Endpoint).node_id)
        self.assertRaises(AttributeError, native.Subscriber.__new__(native.Subscriber).get)
        self.assertRaises(TypeError, native.Stream)

    def test_initialised_twice(self):
        ep = native.Endpoint({"disable_ssl": True})
        before = ep.node_id()
        ep.__init__({"disable_ssl": True})
        self.assertNotEqual(ep.node_id(), before)
        sub = native.Subscriber(ep, ["/t"])
        sub.fd()
        sub.__init__(ep, ["/u"])
        self.assertEqual(sub.poll(), [])
        ep.close()

    def test_descriptors_are_given_back(self):
        def count():
            return len(os.listdir("/proc/self/fd"))

        def once():
            ep = native.Endpoint({"disable_ssl": True})
            for _ in range(20):
                sub = native.Subscriber(ep, ["/t"])
                sub.fd()
                native.Publisher(ep, "/t").fd()
                ep.start("await_any").cancel()
                sub.reset()
            ep.call("shutdown")
            ep.close()

        once()
        before = count()
        for _ in range(5):
            once()
        gc.collect()
        self.assertLess(count(), before + 20)

    def run_script(self, text, *flags):
        path = os.pathsep.join([os.path.dirname(os.path.dirname(native.__file__)), os.environ.get("PYTHONPATH", "")])
        return subprocess.run([sys.executable, *flags, "-c", textwrap.dedent(text)], capture_output=True, text=True, timeout=120,
                              env=dict(os.environ, PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1"))

    def test_fork(self):
        done = self.run_script("""
            import gc, os, sys
            from broker import _native as native
            import broker
            if os.fork() == 0:                 # before the first endpoint: a child of its own
                ep = native.Endpoint({"disable_ssl": True})
                ep.call("shutdown")
                os._exit(0)
            assert os.wait()[1] == 0
            ep = native.Endpoint({"disable_ssl": True})
            sub, p = native.Subscriber(ep, ["/t"]), native.Publisher(ep, "/t")
            st = native.Store(ep, True, "s")
            call = ep.start("await_any")
            stat = native.StatusSubscriber(ep)
            sub.fd()
            if os.fork() == 0:
                uses = [ep.node_id, lambda: ep.publish("/t", 1), lambda: ep.publish_batch(("/t", 1)), lambda: ep.listen("", 0), ep.close,
                        lambda: ep.call("flush"), lambda: ep.query("peers"), sub.get, sub.poll, sub.available, sub.fd, sub.reset, sub.closed,
                        lambda: sub.add_topic("/u"), lambda: p.publish(1), p.buffered, p.reset, lambda: st.read("get", 1), st.entries,
                        lambda: st.write("put", 1, 2), st.name, call.done, call.result, call.cancel, call.fileno, stat.get,
                        lambda: native.Endpoint(), lambda: native.Subscriber(ep, ["/t"]), call.detach, lambda: next(sub)]
                for use in uses:
                    try:
                        use()
                    except RuntimeError as e:
                        assert "fork" in str(e), e
                    else:
                        os._exit(3)
                repr(ep)
                del ep, sub, p, st, call, stat, uses, use
                gc.collect()
                sys.exit(0)
            status = os.wait()[1]
            assert status == 0, status
            assert ep.node_id() and sub.poll() == []
            ep.call("shutdown")
            print("done")
            """)
        self.assertEqual((done.stdout, done.returncode), ("done\n", 0), done.stderr)

    def test_end_of_the_process_with_everything_open(self):
        done = self.run_script("""
            import threading
            from broker import _native as native
            ep = native.Endpoint({"disable_ssl": True})
            sub = native.Subscriber(ep, ["/t"])
            call = ep.start("await_any")
            st = native.Store(ep, True, "s")
            threading.Thread(target=sub.get, daemon=True).start()
            print("done")
            """, "-X", "dev")
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("done\n", "", 0))

    def test_interrupt_ends_waiting(self):
        ep = native.Endpoint({"disable_ssl": True})
        self.addCleanup(ep.close)
        sub = native.Subscriber(ep, ["/t"])
        main = threading.main_thread().ident
        if threading.get_ident() != main:
            self.skipTest("signals come to the main thread")
        for wait in (sub.get, lambda: sub.get(5), lambda: next(sub), lambda: ep.call("await_any")):
            timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
            try:
                timer.start()
                wait()
                self.fail("it ended by itself")
            except KeyboardInterrupt:
                pass
            timer.join()

    def test_sub_interpreters_are_refused(self):
        done = self.run_script("""
            try:
                import _interpreters as interpreters
            except ImportError:
                try:
                    import _xxsubinterpreters as interpreters
                except ImportError:
                    raise SystemExit("none")
            import sys
            sub = interpreters.create()
            code = "import sys; sys.path[:] = %r\\nimport broker" % sys.path
            if hasattr(interpreters, "exec"):
                print(interpreters.exec(sub, code))
            else:
                try:
                    interpreters.run_string(sub, code)
                except Exception as e:
                    print(e)
            """)
        if "none" in done.stderr:
            self.skipTest("no sub-interpreters to be had")
        self.assertRegex(done.stdout, "ImportError|does not support loading in subinterpreters|sub-interpreter")


if __name__ == "__main__":
    unittest.main()
