# SPDX-License-Identifier: Apache-2.0
"""Data stores: masters, clones, and every operation."""

import contextlib
import os
import unittest

import broker
from broker import Backend, Count

from support import PATIENCE, SLOW, directory, endpoint, endpoints, eventually, join

#: What the operations of fill and change leave.
RESULT = {"str": "bar", "set": {2, 3}, "table": {3: "D", "2": "C"}, "vec": (1, 2, 3), "e": 2, "f": 1}


def fill(put):
    """The values that the operations start from."""
    for key, value in (("str", "b"), ("set", {1, 2}), ("table", {1: "A", "2": "C"}), ("vec", (1, 2)),
                       ("e", 1), ("f", 2)):
        put(key, value)


def change(*handles):
    """All operations, spread over handles of one store."""
    def next_handle():
        i = 0
        while True:
            yield handles[i % len(handles)]
            i += 1
    h = next_handle()
    next(h).increment("e", 1)
    next(h).decrement("f", 1)
    next(h).append("str", "ar")
    next(h).insert_into("set", 3)
    next(h).remove_from("set", 1)
    next(h).insert_into("table", 3, "D")
    next(h).remove_from("table", 1)
    one = next(h)
    one.push("vec", 3)
    one.push("vec", 4)
    one.pop("vec")


class Basics(unittest.TestCase):
    def setUp(self):
        context = endpoint()
        self.ep = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.store = self.ep.attach_master("test", Backend.Memory)

    def test_put_get_name(self):
        self.assertEqual(self.store.name(), "test")
        self.assertIsNone(self.store.put("key", "value"))
        self.assertEqual(self.store.get("key"), "value")

    def test_missing(self):
        self.assertIsNone(self.store.get("key"))
        self.assertIs(self.store.exists("key"), False)
        self.assertEqual(self.store.keys(), set())
        self.assertIsNone(self.store.get_index_from_value("key", 1))

    def test_exists_keys_clear(self):
        for key in ("a", 1, (1, 2), Count(1)):
            self.store.put(key, None)
            self.assertIs(self.store.exists(key), True)
        self.assertEqual(self.store.keys(), {"a", 1, (1, 2), Count(1)})
        self.assertIsNone(self.store.get("a"))
        self.assertIsNone(self.store.clear())
        self.assertEqual(self.store.keys(), set())

    def test_index(self):
        self.store.put("set", {1, 2})
        self.store.put("table", {"a": 5})
        self.store.put("vec", ("x", "y"))
        get = self.store.get_index_from_value
        self.assertIs(get("set", 1), True)
        self.assertIs(get("set", 3), False)
        self.assertEqual(get("table", "a"), 5)
        self.assertIsNone(get("table", "b"))
        self.assertEqual(get("vec", Count(1)), "y")
        self.assertIsNone(get("vec", Count(2)))

    def test_erase(self):
        self.store.put("a", 1)
        self.assertIsNone(self.store.erase("a"))
        self.assertIs(self.store.exists("a"), False)
        self.assertIsNone(self.store.erase("never"))

    def test_put_unique(self):
        self.assertIs(self.store.put_unique("a", 1), True)
        self.assertIs(self.store.put_unique("a", 2), False)
        self.assertEqual(self.store.get("a"), 1)

    def test_operations(self):
        fill(self.store.put)
        change(self.store)
        self.assertEqual({k: self.store.get(k) for k in RESULT}, RESULT)

    def test_operations_return_nothing(self):
        s = self.store
        fill(s.put)
        self.assertEqual([s.increment("e", 1), s.decrement("e", 1), s.append("str", "x"), s.push("vec", 1),
                          s.pop("vec"), s.insert_into("set", 9), s.remove_from("set", 9)], [None] * 7)

    def test_counts_and_integers(self):
        self.store.put("c", Count(1))
        self.store.increment("c", Count(2))
        self.assertEqual(self.store.get("c"), Count(3))
        self.store.put("i", 1)
        self.store.increment("i", 2)
        self.assertEqual(self.store.get("i"), 3)

    def test_falsy_values_go_into_tables(self):
        for value in (0, "", False, (), Count(0)):
            with self.subTest(repr(value)):
                self.store.put("t", {})
                self.store.insert_into("t", "k", value)
                self.assertEqual(self.store.get("t"), {"k": value})

    def test_wrong_data(self):
        for call in (lambda: self.store.put(1j, 1), lambda: self.store.put(1, 1j),
                     lambda: self.store.get(1j), lambda: self.store.exists(1j),
                     lambda: self.store.erase(1j), lambda: self.store.put_unique("a", 1j)):
            with self.assertRaisesRegex(TypeError, "unsupported data type"):
                call()

    def test_keys_that_python_cannot_hold(self):
        self.store.put({1}, 1)
        self.assertEqual(self.store.get({1}), 1)
        self.assertRaises(TypeError, self.store.keys)

    def test_expiry(self):
        s = self.store
        s.put("short", 1, 0.05)
        s.put("long", 1, expiry=1000)
        s.put("none", 1, None)
        s.put_unique("unique", 1, 0.05)
        eventually(lambda: not s.exists("short") and not s.exists("unique"), "expiry")
        self.assertEqual(s.keys(), {"long", "none"})

    def test_expiry_of_operations(self):
        s = self.store
        fill(s.put)
        s.increment("e", 1, 0.05)
        s.decrement("f", 1, 0.05)
        s.append("str", "x", 0.05)
        s.insert_into("set", 3, expiry=0.05)
        s.remove_from("table", 1, 0.05)
        s.push("vec", 3, expiry=0.05)
        eventually(lambda: s.keys() == set(), "expiry of all")

    def test_await_idle(self):
        self.assertIs(self.store.await_idle(), True)
        self.assertIs(self.store.await_idle(1), True)
        self.assertIs(self.store.await_idle(timeout=0.5), True)

    def test_with(self):
        with self.ep.attach_master("other", Backend.Memory) as other:
            other.put("a", 1)
            self.assertEqual(other.get("a"), 1)


class Attaching(unittest.TestCase):
    def test_failures_are_none(self):
        with endpoint() as ep, directory() as d:
            self.assertIsNotNone(ep.attach_master("a", Backend.Memory))
            self.assertIsNone(ep.attach_clone("a"))
            with open(os.path.join(d, "file"), "w", encoding="utf-8") as f:
                f.write("no folder")
            self.assertIsNone(ep.attach_master("b", Backend.SQLite, {"path": os.path.join(d, "file", "x")}))

    def test_second_handle(self):
        with endpoint() as ep:
            first = ep.attach_master("a", Backend.Memory)
            first.put("k", 1)
            second = ep.attach_master("a", Backend.Memory)
            self.assertTrue(second is None or second.get("k") == 1)

    def test_wrong_arguments(self):
        with endpoint() as ep:
            self.assertRaises(TypeError, ep.attach_master, "a")
            self.assertRaises(TypeError, ep.attach_master, "a", None)
            self.assertRaises(TypeError, ep.attach_master, "a", "memory")
            self.assertRaises(TypeError, ep.attach_master, 5, Backend.Memory)
            self.assertRaises(TypeError, ep.attach_clone)

    def test_master_elsewhere(self):
        with endpoints(2) as (ep1, ep2):
            self.assertIsNotNone(ep1.attach_master("a", Backend.Memory))
            join(ep1, ep2)
            self.assertIsNone(ep2.attach_master("a", Backend.Memory))

    def test_sqlite(self):
        with directory() as d:
            path = os.path.join(d, "store.sqlite")
            values = {"a": 1, (1, 2): {"x": {Count(1)}}, Count(3): None}
            for round in range(2):
                with endpoint() as ep:
                    s = ep.attach_master("a", Backend.SQLite, {"path": path})
                    self.assertIsNotNone(s)
                    if round == 0:
                        for k, v in values.items():
                            s.put(k, v)
                        s.await_idle()
                    self.assertEqual({k: s.get(k) for k in s.keys()}, values)
            self.assertTrue(os.path.getsize(path) > 0)

    def test_clone_without_master(self):
        with endpoint() as ep:
            s = ep.attach_clone("a")
            self.assertEqual(s.name(), "a")
            self.assertIs(s.await_idle(0.05), False)
            self.assertRaises(broker.WaitTimeout, s.read, "get", "k", timeout=0.05)
            if SLOW:  # a read waits for a master, for some seconds
                self.assertIsNone(s.get("k"))

    def test_keeps_the_endpoint(self):
        s = endpoint().attach_master("a", Backend.Memory)
        s.put("k", 1)
        self.assertEqual(s.get("k"), 1)


class Clones(unittest.TestCase):
    @contextlib.contextmanager
    def stores(self, clones):
        """A master and so many clones, attached before their endpoints peer."""
        with endpoints(1 + clones) as eps:
            stores = [eps[0].attach_master("test", Backend.Memory)]
            stores += [ep.attach_clone("test") for ep in eps[1:]]
            port = eps[0].listen("127.0.0.1", 0)
            for ep in eps[1:]:
                self.assertTrue(ep.peer("127.0.0.1", port, 1.0))
            yield stores

    def agree(self, stores, key, value):
        for s in stores:
            eventually(lambda: s.get(key) == value, "%r everywhere, here %r" % (key, s.get(key)))

    def settled(self, stores):
        # The clones hand over their writes, then the master its replays.
        for s in stores[1:] + stores:
            self.assertTrue(s.await_idle(PATIENCE))

    def read_everywhere(self, stores):
        self.agree(stores, "string", "x")
        for s in stores:
            self.assertEqual({k: s.get(k) for k in ("set", "table", "vector")},
                             {"set": {1, 2}, "table": {"a": 1}, "vector": ("x", "y")})
            get = s.get_index_from_value
            self.assertEqual((get("set", 1), get("set", 3), get("table", "a"), get("table", "b"),
                              get("vector", Count(1)), get("none", 1)), (True, False, 1, None, "y", None))
            self.assertEqual((s.exists("set"), s.exists("none")), (True, False))
            self.assertEqual(s.keys(), {"string", "set", "table", "vector", "unique"})

    def check_values(self, stores, writer):
        writer.put("set", {1, 2})
        writer.put("table", {"a": 1})
        writer.put("vector", ("x", "y"))
        writer.put("string", "x")
        clone = stores[1]
        self.assertIs(clone.put_unique("unique", 1), True)
        self.assertIs(clone.put_unique("unique", 2), False)
        self.assertIs(clone.put_unique("unique", 1), False)
        self.settled(stores)
        self.read_everywhere(stores)
        writer.clear()
        self.settled(stores)

    def check_operations(self, stores, writers):
        fill(writers[0].put)
        self.settled(stores)
        change(*writers)
        self.settled(stores)
        for key, value in RESULT.items():
            self.agree(stores, key, value)
        writers[0].put("short", 1, 0.1)
        writers[0].put("long", 1, 1000)
        for s in stores:
            eventually(lambda: s.exists("long") and not s.exists("short"), "expiry")
        writers[-1].clear()
        for s in stores:
            eventually(lambda: s.keys() == set(), "clear")

    def test_two_clones_written_by_the_master(self):
        with self.stores(2) as stores:
            self.check_values(stores, stores[0])
            self.check_operations(stores, stores[:1])

    def test_two_clones_that_write(self):
        with self.stores(2) as stores:
            self.check_values(stores, stores[2])
            self.check_operations(stores, stores[1:])

    def test_one_clone(self):
        with self.stores(1) as stores:
            master, clone = stores
            clone.put("a", 1)
            clone.put("b", {"x": (1, 2)})
            self.assertTrue(clone.await_idle())
            self.assertTrue(master.await_idle())
            self.assertIs(clone.put_unique("c", 1), True)
            self.assertIs(clone.put_unique("c", 1), False)
            self.agree(stores, "b", {"x": (1, 2)})
            self.assertEqual(master.keys(), {"a", "b", "c"})

    def test_attached_afterwards(self):
        with endpoints(2) as (ep1, ep2):
            master = ep1.attach_master("late", Backend.Memory)
            master.put("a", 1)
            join(ep1, ep2)
            clone = ep2.attach_clone("late")
            eventually(lambda: clone.get("a") == 1, "the snapshot")


if __name__ == "__main__":
    unittest.main()
