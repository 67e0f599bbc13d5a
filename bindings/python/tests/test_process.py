# SPDX-License-Identifier: Apache-2.0
"""Processes: signals, forks, ends of the interpreter, sub-interpreters, descriptors, memory."""

import itertools
import signal
import unittest

from support import PATIENCE, SLOW, process, script, slow, unused_port

START = """
import gc, os, signal, sys, threading
import broker
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job may begin without
def endpoint():
    options = broker.BrokerOptions()
    options.disable_ssl = True
    return broker.Endpoint(broker.Configuration(options))
def join(ep1, ep2):
    assert ep2.peer("127.0.0.1", ep1.listen("127.0.0.1", 0), 1.0)
    assert ep1.await_peer(ep2.node_id(), 60) and ep2.await_peer(ep1.node_id(), 60)
"""

#: Calls that wait for long, with what they are called on.
WAITING = {
    "get": "endpoint().make_subscriber('/x').get()",
    "get_count": "endpoint().make_subscriber('/x').get(3)",
    "get_timeout": "endpoint().make_subscriber('/x').get(1000.0)",
    "get_both": "endpoint().make_subscriber('/x').get(3, 1000.0)",
    "iterate": "next(iter(endpoint().make_subscriber('/x')))",
    "status": "endpoint().make_status_subscriber(True).get()",
    "peer": "endpoint().peer('127.0.0.1', %d)" % unused_port(),
    "await_peer": "endpoint().await_peer('00000000-0000-0000-0000-000000000001', 1000)",
    "await_idle": "endpoint().attach_clone('x').await_idle(1000)",
}


class Signals(unittest.TestCase):
    def test_interrupt_ends_what_waits(self):
        for name, call in WAITING.items():
            with self.subTest(name):
                source = START + "ep = endpoint()\ntry:\n    print('ready', flush=True)\n    %s\n" \
                    "except KeyboardInterrupt:\n    print('interrupted', flush=True)\n" % call
                with process(source) as p:
                    self.assertEqual(p.stdout.readline(), "ready\n")
                    # Before the call waits, an interrupt ends it just as well.
                    p.send_signal(signal.SIGINT)
                    self.assertEqual(p.wait(PATIENCE), 0)
                    self.assertEqual(p.stdout.read(), "interrupted\n")

    def test_interrupt_in_the_midst(self):
        with process(START + """
sub = endpoint().make_subscriber('/x')
# The thread interrupts the process once the main thread has been seen to sleep.
def later():
    task = '/proc/self/task/%d/' % os.getpid()
    while open(task + 'stat').read().rsplit(')', 1)[1].split()[0] != 'S':
        pass
    os.kill(os.getpid(), signal.SIGINT)
try:
    threading.Thread(target=later).start()
    sub.get()
except KeyboardInterrupt:
    print('interrupted')
print(sub.poll(), sub.get(0.01))
""") as p:
            self.assertEqual(p.wait(PATIENCE), 0)
            self.assertEqual(p.stdout.read(), "interrupted\n[] None\n")

    def test_handlers_are_left_alone(self):
        done = script("import signal\n"
                      "numbers = [s for s in signal.valid_signals()]\n"
                      "before = [signal.getsignal(s) for s in numbers]\n" + START + """
calls = []
for s in (signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP):
    signal.signal(s, lambda number, frame: calls.append(number))
after = [signal.getsignal(s) for s in numbers]
with endpoint() as ep:
    assert [signal.getsignal(s) for s in numbers] == after
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    for s in (signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP):
        os.kill(os.getpid(), s)
        ep.make_subscriber('/x').get(0.001)
assert calls == [signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP], calls
print('ok')
""")
        self.assertEqual(done.stdout, "ok\n")

    def test_a_handler_may_raise(self):
        done = script(START + """
def handler(number, frame):
    raise KeyError(number)
signal.signal(signal.SIGALRM, handler)
sub = endpoint().make_subscriber('/x')
try:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    sub.get()
except KeyError:
    print('raised')
""")
        self.assertEqual(done.stdout, "raised\n")

    def test_a_handler_may_use_the_subscriber(self):
        done = script(START + """
ep1, ep2 = endpoint(), endpoint()
sub = ep1.make_subscriber('/x')
join(ep1, ep2)
signal.signal(signal.SIGALRM, lambda number, frame: ep2.publish('/x', len(sub.poll())))
signal.setitimer(signal.ITIMER_REAL, 0.05)
print(sub.get())
""")
        self.assertEqual(done.stdout, "('/x', 0)\n")


class Forks(unittest.TestCase):
    def test_before_the_first_endpoint(self):
        done = script(START + """
pid = os.fork()
with endpoint() as ep1, endpoint() as ep2:
    s = ep1.make_subscriber('/x')
    join(ep1, ep2)
    ep2.publish('/x', 1)
    assert s.get() == ('/x', 1)
if pid:
    assert os.waitpid(pid, 0)[1] == 0
    print('ok')
""")
        self.assertEqual(done.stdout, "ok\n")

    def test_afterwards_handles_refuse(self):
        done = script(START + """
ep = endpoint()
sub, safe = ep.make_subscriber('/x'), ep.make_safe_subscriber('/x')
es, pub = ep.make_status_subscriber(True), ep.make_publisher('/x')
store = ep.attach_master('s', broker.Backend.Memory)
pid = os.fork()
calls = [lambda: ep.publish('/x', 1), lambda: ep.listen('127.0.0.1', 0), lambda: ep.peers(),
         lambda: ep.peer('127.0.0.1', 1, 0), lambda: ep.make_subscriber('/y'), lambda: sub.get(),
         lambda: sub.get(0.1), lambda: sub.poll(), lambda: safe.poll(), lambda: es.get(), lambda: es.poll(),
         lambda: pub.publish(1), lambda: store.get('k'), lambda: store.put('k', 1), endpoint,
         lambda: ep.attach_master('t', broker.Backend.Memory), lambda: ep.shutdown()]
if pid == 0:
    for i, call in enumerate(calls):
        try:
            call()
        except RuntimeError as e:
            assert 'fork' in str(e), (i, e)
        else:
            print('call', i, 'went through')
            sys.exit(1)
    del ep, sub, safe, es, pub, store, calls
    gc.collect()
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
store.put('k', 1)
assert store.get('k') == 1
ep.shutdown()
print('ok')
""")
        self.assertEqual(done.stdout, "ok\n")

    def test_multiprocessing(self):
        for method in ("spawn", "fork", "forkserver"):
            with self.subTest(method):
                done = script(MULTI, method)
                self.assertEqual(done.stdout, "[0, 1, 4]\n")

    def test_children_do_not_keep_sockets(self):
        done = script(START + """
import subprocess
ep = endpoint()
port = int(sys.argv[1])
assert ep.listen('127.0.0.1', port) == port
p = subprocess.Popen(['sleep', '1000'], close_fds=False)
try:
    ep.shutdown()
    assert endpoint().listen('127.0.0.1', port) == port
    print('ok')
finally:
    p.kill()
    p.wait()
""", unused_port())
        self.assertEqual(done.stdout, "ok\n")


MULTI = """
import multiprocessing, sys
import broker
def square(x):
    return broker.Data(x * x)
if __name__ == '__main__':
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        print([d.as_integer() for d in pool.map(abs, [])] or [broker.Data.to_py(broker.Data(x * x))
              for x in pool.map(abs, [0, -1, 2])])
"""

THINGS = """
ep = endpoint()
other = endpoint()
sub = ep.make_subscriber('/x')
es = ep.make_status_subscriber(True)
pub = ep.make_publisher('/x')
store = ep.attach_master('s', broker.Backend.Memory)
"""


class Endings(unittest.TestCase):
    def clean(self, source, **kwargs):
        done = script(START + source, **kwargs)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_with_everything_alive(self):
        self.clean(THINGS + "join(ep, other)\nother.publish('/x', 1)\nsub.get()")

    def test_with_waiting_daemon_threads(self):
        self.clean(THINGS + """
join(ep, other)
for call in (sub.get, es.get, lambda: ep.peer('127.0.0.1', 1), lambda: store.await_idle(1000)):
    threading.Thread(target=call, daemon=True).start()
other.publish('/x', 1)
""")

    def test_in_cycles(self):
        self.clean(THINGS + """
class Node: pass
a, b = Node(), Node()
a.b, b.a, a.things = b, a, [ep, other, sub, es, pub, store]
del a, b, ep, other, sub, es, pub, store
gc.collect()
print('collected')
""")

    def test_any_order(self):
        orders = list(itertools.permutations(["ep", "sub", "es", "pub", "store"]))
        source = "for order in %r:\n    things = dict(ep=endpoint())\n    ep = things['ep']\n" \
            "    things.update(sub=ep.make_subscriber('/x'), es=ep.make_status_subscriber(True),\n" \
            "                  pub=ep.make_publisher('/x'), store=ep.attach_master('s', broker.Backend.Memory))\n" \
            "    del ep\n    for name in order:\n        del things[name]\n        gc.collect(0)\n"
        self.clean(source % (orders if SLOW else orders[::17]))

    def test_with_exceptions(self):
        done = script(START + THINGS + "sub.get(1, 0.001)\n1/0", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("ZeroDivisionError", done.stderr)

    def test_at_exit(self):
        out = self.clean(THINGS + """
import atexit
atexit.register(lambda: print(sub.poll(), store.get('k')))
store.put('k', 'v')
""")
        self.assertEqual(out, "[] v\n")

    def test_debug_memory_and_development_mode(self):
        self.assertEqual(self.clean(THINGS + """
join(ep, other)
for i in range(200):
    other.publish('/x', [i, {'a': {1, 2}, (1, 2): b'\\xff'}, broker.Count(i), None, 1.5])
    other.publish_batch(('/x', i), ('/x', [i]))
got = sub.get(600)
assert got[0][1][0] == 0 and got[-1][1] == (199,)
for i in range(100):
    store.put(i, {'v': i})
    assert store.get(i) == {'v': i}
for bad in (1j, [1j], {'a': [object()]}, 2**64):
    try:
        broker.Data(bad)
    except (TypeError, OverflowError):
        pass
e = broker.zeek.Event('x', 1, metadata={1: broker.now()})
assert broker.zeek.Event(e.as_data()).args() == [1]
assert len(es.get(2)) == 2
for thing in (sub, es, pub):
    thing.reset()
other.shutdown()
ep.shutdown()
print('ok')
""", env={"PYTHONMALLOC": "debug"}, options=("-X", "dev", "-W", "error")), "ok\n")

    def test_import_alone_opens_nothing(self):
        out = self.clean("""
broker.Data([1, {2}])
print('libbrokermesh' in open('/proc/self/maps').read())
endpoint()
print('libbrokermesh' in open('/proc/self/maps').read())
""")
        self.assertEqual(out, "False\nTrue\n")


class SubInterpreters(unittest.TestCase):
    def test_refused(self):
        done = script("""
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
source = '''
try:
    import broker
except ImportError as e:
    assert 'interpreter' in str(e), e
else:
    raise SystemError('imported')
open(%r, 'w').write('refused')
''' % '/dev/stdout'
i = interpreters.create()
result = interpreters.run_string(i, source)
assert result is None, result
interpreters.destroy(i)
""")
        self.assertEqual(done.stdout, "refused")


class Resources(unittest.TestCase):
    def test_descriptors(self):
        done = script(START + """
def use():
    with endpoint() as ep, endpoint() as other:
        with ep.make_subscriber('/x') as sub, ep.make_status_subscriber(True) as es, ep.make_publisher('/x'):
            join(ep, other)
            other.publish('/x', 1)
            sub.get(), es.get()
            ep.attach_master('s', broker.Backend.Memory).put('a', 1)
    return len(os.listdir('/proc/self/fd'))
use(), use()
counts = [use() for _ in range(20)]
print(counts)
assert min(counts[-5:]) <= counts[0] + 2, counts
""")
        self.assertTrue(done.stdout)

    @slow
    def test_a_million_messages(self):
        done = script(START + """
import resource
def rss():
    return int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE') >> 20
ep1, ep2 = endpoint(), endpoint()
sub, back = ep1.make_subscriber('/x'), ep2.make_subscriber('/back')
join(ep1, ep2)
value, size, seen, sizes = ['event', 1, 'two', {'a': (1, 2)}], 1000, 0, []
pairs = [('/x', value)] * size
expect = ('/x', tuple(value))
for round in range(1000):
    ep2.publish_batch(*pairs)
    got = sub.get(size)
    seen += len(got)
    assert got[0] == expect and got[-1] == expect
    if round % 100 == 99:
        sizes.append(rss())
assert seen == 1000000
print(sizes)
assert sizes[-1] < sizes[1] + 100, sizes
""", timeout=600)
        self.assertTrue(done.stdout)

    @slow
    def test_a_million_conversions(self):
        done = script("""
import os, broker
def rss():
    return int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE') >> 20
value = ['event', 1, broker.Count(2), {'a': (1, 2.5), (1,): {b'\\xff'}}, broker.Port(1, broker.Port.TCP)]
sizes = []
for round in range(10):
    for _ in range(10000):
        back = broker.Data.to_py(broker.Data(value))
        broker.ImmutableData.to_py(broker.Data(value))
        try:
            broker.Data([value, 1j])
        except TypeError:
            pass
    sizes.append(rss())
assert back[3]['a'] == (1, 2.5)
assert sizes[-1] < sizes[1] + 10, sizes
""", timeout=600)
        self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    unittest.main()
