# SPDX-License-Identifier: Apache-2.0
"""With nodes of a mesh (brokerctl up), and with an endpoint that was written from the protocol's description alone (peer.py).

brokerctl is the program that BROKERCTL names, or is built.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

import broker
from broker import SC, Backend, Count

from support import PATIENCE, ROOT, codes, endpoint, eventually, receive

SAMPLES = ROOT / "config" / "samples"
PEER = ROOT / "test" / "interop" / "testdata" / "peer.py"


def setUpModule():
    global BROKERCTL
    BROKERCTL = os.environ.get("BROKERCTL")
    if BROKERCTL:
        return
    if shutil.which("go") is None:
        raise RuntimeError("these tests need brokerctl: name it in BROKERCTL, or install Go")
    folder = tempfile.mkdtemp(prefix="brokermesh-python-")
    unittest.addModuleCleanup(shutil.rmtree, folder)
    BROKERCTL = os.path.join(folder, "brokerctl")
    subprocess.run(["go", "build", "-trimpath", "-o", BROKERCTL, "./cmd/brokerctl"], cwd=str(ROOT), check=True,
                   env=dict(os.environ, CGO_ENABLED="0"))


@contextlib.contextmanager
def mesh(sample, *flags):
    """Runs a sample; what brokerctl printed when all was ready."""
    with tempfile.TemporaryDirectory(prefix="brokermesh-python-") as folder:
        p = subprocess.Popen([BROKERCTL, "up", "-f", str(SAMPLES / sample), "-o", "json", "--timeout", "60s",
                              "--data-dir", os.path.join(folder, "data"), *flags],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True)
        try:
            line = p.stdout.readline()
            if not line:
                raise AssertionError("brokerctl up ended with %d" % p.wait())
            yield line
        finally:
            p.terminate()
            p.wait(PATIENCE)
            p.stdout.close()


def connect(up, node=None):
    return broker.connect(up, node, timeout=PATIENCE)


class Mesh(unittest.TestCase):
    """Each sample runs once, for all tests."""

    @classmethod
    def setUpClass(cls):
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.ring = stack.enter_context(mesh("ring.yaml"))
        cls.plain = stack.enter_context(mesh("ring.yaml", "--plain"))
        cls.stores = stack.enter_context(mesh("stores.yaml"))

    def check_messages(self, ep1, ep2):
        """What is published at one node's client arrives at another's."""
        with ep1.make_subscriber("/python/") as s1, ep2.make_subscriber("/python/") as s2:
            value = [1, Count(2), {"a": {1, 2}}, b"\xff"]
            back = (1, Count(2), {"a": {1, 2}}, b"\xff")
            for here, there in ((ep1, s2), (ep2, s1)):
                def attempt():
                    here.publish("/python/test", value)
                    return there.get(1, 0.05)
                self.assertEqual(eventually(attempt, "a message through the mesh"), [("/python/test", back)])

    def test_over_two_nodes(self):
        up = self.ring
        with connect(json.loads(up), node="north") as ep1, connect(up, node="south") as ep2:
            self.check_messages(ep1, ep2)

    def test_without_tls(self):
        up = self.plain
        with connect(up, node="west") as ep1, connect(up) as ep2:
            self.assertEqual(len(ep1.peers()), 1)
            self.check_messages(ep1, ep2)

    def test_example(self):
        from test_examples import expected, printed
        up = self.ring
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "mesh.json")
            with open(path, "w", encoding="utf-8") as f:
                f.write(up)
            self.assertEqual(printed("connect", path), expected("connect"))

    def test_by_path(self):
        up = self.plain
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "mesh.json")
            with open(path, "w", encoding="utf-8") as f:
                f.write(up)
            with connect(path, node="east") as ep:
                self.assertEqual(len(ep.peers()), 1)

    def test_no_such_node(self):
        up = self.plain
        with self.assertRaises(ValueError) as caught:
            broker.connect(up, node="nowhere")
        self.assertIn("nowhere", str(caught.exception))
        self.assertIn("north", str(caught.exception))

    def test_by_hand(self):
        up = self.ring
        state = json.loads(up)
        node = next(n for n in state["nodes"] if n["name"] == "north")
        cfg = broker.Configuration()
        client = os.path.join(state["dataDir"], "client")
        cfg.openssl_cafile = os.path.join(client, "ca.crt")
        cfg.openssl_certificate = os.path.join(client, "tls.crt")
        cfg.openssl_key = os.path.join(client, "tls.key")
        host, port = node["address"].rsplit(":", 1)
        with broker.Endpoint(cfg) as ep:
            self.assertIs(ep.peer(host, int(port), 0), True)
        with broker.Endpoint() as ep:
            self.assertIs(ep.peer(host, int(port), 0), False)

    def test_stores(self):
        up = self.stores
        with connect(up, node="vault") as ep1, connect(up, node="reader") as ep2:
            for name in ("sessions", "inventory", "site/counters"):
                with self.subTest(name):
                    one, two = ep1.attach_clone(name), ep2.attach_clone(name)
                    one.put("k", {"a": (1, 2)})
                    self.assertEqual(eventually(lambda: two.get("k"), "the value"), {"a": (1, 2)})
                    self.assertIs(two.put_unique("u", 1), True)
                    self.assertIs(one.put_unique("u", 2), False)
                    two.increment("n", Count(5))
                    eventually(lambda: one.get("n") == Count(5), "the number")
                    self.assertEqual(one.keys(), {"k", "u", "n"})

    def test_brokerctl_hears_and_speaks(self):
        up = self.plain
        with connect(up, node="north") as ep, \
                ep.make_subscriber("/brokerctl") as sub:
            state = json.loads(up)
            address = next(n["address"] for n in state["nodes"] if n["name"] == "south")
            command = [BROKERCTL, "pub", "--peer", address, "--plain", "--timeout", "60s", "/brokerctl/x",
                       '{"@data-type":"count","data":7}']
            def attempt():
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                return sub.get(1, 0.05)
            self.assertEqual(eventually(attempt, "what brokerctl published"), [("/brokerctl/x", Count(7))])


class Foreign:
    """peer.py as a process: commands go in, events come out."""

    def __init__(self):
        self._process = subprocess.Popen([sys.executable, str(PEER)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, universal_newlines=True)

    def __enter__(self):
        self.await_event("ready")
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def do(self, **command):
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def await_event(self, name, **fields):
        """The next event of that name and with these fields."""
        seen = []
        alarm = threading.Timer(PATIENCE, self._process.kill)
        alarm.start()
        try:
            for line in self._process.stdout:
                seen.append(line)
                event = json.loads(line)
                if event.get("event") == "error":
                    raise AssertionError(line)
                if event.get("event") == name and all(event.get(k) == v for k, v in fields.items()):
                    return event
        finally:
            alarm.cancel()
        raise AssertionError("no %s %r, but %s" % (name, fields, "".join(seen)))

    def ask(self, **command):
        """A command's result."""
        self.do(id=1, **command)
        return self.await_event("result", id=1)


class ForeignPeer(unittest.TestCase):
    @contextlib.contextmanager
    def both(self, prepare=lambda ep: None):
        with endpoint() as ep, Foreign() as peer:
            prepare(ep)
            peer.do(do="subscribe", topic="/foreign")
            peer.do(do="connect", port=ep.listen("127.0.0.1", 0))
            peer.await_event("peered")
            eventually(ep.peers, "the peer")  # either side may be the first to know
            yield ep, peer

    def test_values(self):
        from test_conversion import BOTH_WAYS
        subs = []
        with self.both(lambda ep: subs.append(ep.make_subscriber("/python"))) as (ep, peer):
            for value, _, _ in BOTH_WAYS:
                with self.subTest(repr(value)):
                    ep.publish("/foreign/x", value)
                    event = peer.await_event("message")
                    self.assertEqual(event["hex"], broker.Data(value).to_bytes().hex())
                    peer.do(do="publish", topic="/python/y", value={"hex": event["hex"]})
                    self.assertEqual(receive(subs[0]), [("/python/y", value)])

    def test_statuses(self):
        found = []
        with self.both(lambda ep: found.append(ep.make_status_subscriber(True))) as (_, peer):
            self.assertEqual(codes(found[0], 2), [SC.EndpointDiscovered, SC.PeerAdded])
            peer.do(do="drop")
            self.assertEqual(codes(found[0], 2), [SC.PeerLost, SC.EndpointUnreachable])

    def test_its_clone(self):
        found = []
        with self.both(lambda ep: found.append(ep.attach_master("s", Backend.Memory))) as (_, peer):
            store = found[0]
            store.put("n", 1)
            store.put("t", {"a": (1,)})
            peer.do(do="clone", store="s")
            peer.await_event("clone_attached")
            self.assertEqual(peer.ask(do="get", store="s", key="n")["value"]["data"], 1)
            peer.do(do="increment", store="s", key="n", value=4)
            self.assertIs(peer.ask(do="put_unique", store="s", key="u", value=True)["inserted"], True)
            self.assertEqual((store.get("n"), store.get("u")), (5, True))
            store.push("vec", 1)
            store.put("end", 1)
            peer.await_event("store_event", store="s", kind="insert", key={"@data-type": "string", "data": "end"})
            self.assertEqual(len(peer.ask(do="keys", store="s")["value"]["data"]), 5)

    def test_its_master(self):
        with self.both() as (ep, peer):
            peer.do(do="master", store="s")
            peer.do(do="put", store="s", key="n", value=1)
            clone = ep.attach_clone("s")
            self.assertEqual(eventually(lambda: clone.get("n"), "the snapshot"), 1)
            clone.increment("n", 4)
            eventually(lambda: clone.get("n") == 5, "the replay")
            self.assertIs(clone.put_unique("u", 1), True)
            self.assertIs(clone.put_unique("u", 1), False)
            clone.insert_into("t", "k", 0)
            self.assertTrue(clone.await_idle(PATIENCE))
            self.assertEqual(peer.ask(do="get", store="s", key="n")["value"]["data"], 5)


if __name__ == "__main__":
    unittest.main()
