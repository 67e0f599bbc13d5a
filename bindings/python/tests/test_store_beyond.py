# SPDX-License-Identifier: Apache-2.0
"""What stores offer beyond the reference."""

import os
import pickle
import unittest

import broker
from broker import Backend, Count, Store

from support import PATIENCE, directory, endpoint, eventually, join


class Master(unittest.TestCase):
    def setUp(self):
        context = endpoint()
        self.ep = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.store = self.ep.attach_master("test", Backend.Memory)


class Dictionary(Master):
    def test_items(self):
        s = self.store
        s["a"] = 1
        s[(1, 2)] = {"x": {Count(1)}}
        self.assertEqual((s["a"], s[(1, 2)], len(s)), (1, {"x": {Count(1)}}, 2))
        self.assertIn("a", s)
        self.assertNotIn("b", s)
        self.assertEqual(sorted(map(str, s)), ["(1, 2)", "a"])
        self.assertEqual(dict(s.items()), {"a": 1, (1, 2): {"x": {Count(1)}}})
        self.assertEqual(dict(s), dict(s.items()))
        self.assertIn(1, list(s.values()))
        del s["a"]
        self.assertNotIn("a", s)
        self.assertRaises(KeyError, lambda: s["a"])
        with self.assertRaises(KeyError):
            del s["a"]

    def test_empty_is_true(self):
        self.assertEqual(len(self.store), 0)
        self.assertTrue(self.store)

    def test_entries(self):
        self.store.put("long", 1, 1000)
        self.store.put("ever", 2)
        got = {key: (value, left) for key, value, left in self.store.entries()}
        self.assertEqual(got["ever"], (2, None))
        self.assertEqual(got["long"][0], 1)
        self.assertTrue(0 < got["long"][1] <= 1000)

    def test_many_items(self):
        for i in range(5000):
            self.store.put(i, str(i))
        self.assertEqual(dict(self.store.items()), {i: str(i) for i in range(5000)})

    def test_stopping_early(self):
        for i in range(5000):
            self.store.put(i, "x" * 1000)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(50):
            self.assertIn(next(iter(self.store)), range(5000))
        eventually(lambda: len(os.listdir("/proc/self/fd")) <= before + 3, "descriptors closed")

    def test_none_is_a_value(self):
        self.store.put("k", None)
        self.assertIn("k", self.store)
        self.assertIsNone(self.store["k"])


class Outcomes(Master):
    def test_calls_raise(self):
        self.store.put("s", "text")
        with self.assertRaises(broker.NoSuchKey):
            self.store.call("get", "none")
        with self.assertRaises(broker.DataTypeError):
            self.store.call("increment", "s", 1, None)
        self.assertTrue(issubclass(broker.NoSuchKey, KeyError))
        self.assertTrue(issubclass(broker.DataTypeError, TypeError))
        self.assertTrue(issubclass(broker.StoreStale, broker.BrokerError))
        self.assertTrue(issubclass(broker.BrokerError, RuntimeError))

    def test_errors_pickle(self):
        error = pickle.loads(pickle.dumps(broker.NoSuchKey("no such key")))
        self.assertEqual((type(error), str(error), error.code),
                         (broker.NoSuchKey, "no such key", broker.EC.NoSuchKey))

    def test_open_master_says_why(self):
        with directory() as d:
            with open(os.path.join(d, "file"), "w", encoding="utf-8") as f:
                f.write("no folder")
            with self.assertRaises(broker.BackendFailure) as caught:
                self.ep.open_master("x", Backend.SQLite, path=os.path.join(d, "file", "x"))
            self.assertIn("file", str(caught.exception))

    def test_open_clone_says_why(self):
        with self.assertRaises(broker.BrokerError):
            self.ep.open_clone("test")

    def test_failures_are_counted(self):
        self.store.put("s", "text")
        self.store.increment("s", 1)
        self.store.get("s")
        status = eventually(lambda: self.store.status()["writes_failed"].value and self.store.status(),
                            "a counted failure")
        self.assertTrue(status["last_failure"])
        self.assertEqual((status["name"], status["role"], status["entries"]), ("test", "master", Count(1)))

    def test_compare_and_set(self):
        s = self.store
        self.assertIs(s.compare_and_set("k", Store.ABSENT, 1), True)
        self.assertIs(s.compare_and_set("k", Store.ABSENT, 2), False)
        self.assertIs(s.compare_and_set("k", 5, 2), False)
        self.assertIs(s.compare_and_set("k", 1, 2), True)
        self.assertEqual(s.get("k"), 2)

    def test_batch(self):
        s = self.store
        self.assertIs(s.batch([("put", "a", 1), ("put", "b", 2)], {"a": Store.ABSENT}), True)
        self.assertIs(s.batch([("put", "a", 5), ("erase", "b")], {"a": 2}), False)
        self.assertEqual((s.get("a"), s.get("b")), (1, 2))
        self.assertIs(s.batch([("increment", "a", 5), ("erase", "b")], {"a": 1, "b": 2}), True)
        self.assertEqual(dict(s.items()), {"a": 6})

    def test_detach(self):
        self.store.detach()
        self.assertIsNone(self.store.get("k"))
        self.assertIsNotNone(self.ep.attach_master("test", Backend.Memory))

    def test_pebble(self):
        with directory() as d:
            path = os.path.join(d, "p")
            for expected in ([], ["k"]):
                with endpoint() as ep:
                    s = ep.open_master("p", "pebble", path=path)
                    self.assertEqual(list(s), expected)
                    s.call("put", "k", 1, None)


class Watching(Master):
    def test_changes(self):
        with self.store.watch() as watch:
            self.store.put("a", 1)
            self.store.put("a", 2)
            self.store.put("b", 1, 0.05)
            events = [watch.get(PATIENCE) for _ in range(4)]
        self.assertEqual([tuple(e)[:4] for e in events],
                         [("insert", "a", None, 1), ("update", "a", 1, 2), ("insert", "b", None, 1),
                          ("expire", "b", 1, None)])
        numbers = [e.sequence for e in events]
        self.assertEqual(numbers, sorted(set(numbers)))

    def test_one_key(self):
        with self.store.watch("b") as watch:
            for key in ("a", "b", "c"):
                self.store.put(key, 1)
            self.store.erase("b")
            self.assertEqual([(e.kind, e.key) for e in watch.get(2, PATIENCE)],
                             [("insert", "b"), ("erase", "b")])

    def test_goes_on(self):
        with self.store.watch() as watch:
            self.store.put("a", 1)
            self.store.put("a", 2)
            first, second = watch.get(2)
        with self.store.watch(since=first.sequence) as again:
            self.assertEqual(again.get(PATIENCE), second)

    def test_iteration(self):
        with self.store.watch() as watch:
            self.store.put("a", 1)
            for event in watch:
                self.assertEqual((event.kind, event.new), ("insert", 1))
                break

    def test_on_a_clone(self):
        with endpoint() as other:
            join(self.ep, other)
            clone = other.attach_clone("test")
            eventually(lambda: clone.keys() == set(), "the clone")
            with clone.watch() as watch:
                self.store.put("a", 1)
                event = watch.get(PATIENCE)
                self.assertEqual((event.kind, event.key, event.new), ("insert", "a", 1))

    def test_ends_with_the_store(self):
        with self.store.watch() as watch:
            self.store.put("a", 1)
            eventually(lambda: self.store.get("a") == 1, "the value")
            self.ep.shutdown()
            self.assertEqual([e.key for e in watch], ["a"])


if __name__ == "__main__":
    unittest.main()
