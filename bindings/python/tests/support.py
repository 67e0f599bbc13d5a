# SPDX-License-Identifier: Apache-2.0
"""What the tests share: endpoints on the loopback device, and waiting for conditions."""

import atexit
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import broker

#: The checkout that the tests are part of; the package under test is elsewhere.
ROOT = pathlib.Path(__file__).resolve().parents[3]

#: Seconds that a test gives something that must come; nothing asserts how long it took.
PATIENCE = 60.0

#: Slow tests run with one Python only, where this is set to 0 for the others.
SLOW = os.environ.get("BROKERMESH_SLOW_TESTS", "1") != "0"

slow = unittest.skipUnless(SLOW, "slow, and runs with the newest Python only")


def configuration(**members):
    """A configuration without TLS; names of BrokerOptions and of Configuration."""
    options = broker.BrokerOptions()
    options.disable_ssl = True
    own = {}
    for name, value in members.items():
        if name in ("disable_ssl", "disable_forwarding", "ignore_broker_conf", "use_real_time"):
            setattr(options, name, value)
        else:
            own[name] = value
    cfg = broker.Configuration(options)
    for name, value in own.items():
        setattr(cfg, name, value)
    return cfg


def endpoint(**members):
    """An endpoint without TLS."""
    return broker.Endpoint(configuration(**members))


def join(listening, connecting):
    """Peers two endpoints and waits until both know; returns the port."""
    port = listening.listen("127.0.0.1", 0)
    if port == 0:
        raise AssertionError("listen failed")
    if connecting.peer("127.0.0.1", port, 1.0) is not True:
        raise AssertionError("peer failed")
    for here, there in ((listening, connecting), (connecting, listening)):
        if not here.await_peer(there.node_id(), PATIENCE):
            raise AssertionError("no peer")
    return port


@contextlib.contextmanager
def endpoints(count, **members):
    """So many endpoints, shut down at the end."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(endpoint(**members)) for _ in range(count)]


def eventually(condition, what):
    """Waits until condition() is true, and returns what it returned."""
    deadline = time.monotonic() + PATIENCE
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError("not within %g s: %s" % (PATIENCE, what))
        time.sleep(0.005)


def receive(subscriber, count=1):
    """The next messages of a subscriber; fails instead of waiting for ever."""
    got = []
    while len(got) < count:
        more = subscriber.get(count - len(got), PATIENCE)
        if not more:
            raise AssertionError("%d messages came, not %d: %r" % (len(got), count, got))
        got.extend(more)
    return got


def codes(subscriber, count):
    """The codes of the next statuses and errors."""
    return [event.code() for event in receive(subscriber, count)]


def unused_port():
    """A port where nobody listens, and that nobody else gets while the tests run; an endpoint may listen there."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    _reserved.append(s)
    return s.getsockname()[1]


_reserved = []
atexit.register(lambda: [s.close() for s in _reserved])


def in_thread(function, *args):
    """Runs function in a thread; result(timeout) gives what it returned or raised."""
    return _Task(function, args)


class _Task:
    def __init__(self, function, args):
        self._outcome = None
        self._thread = threading.Thread(target=self._run, args=(function, args), daemon=True)
        self._thread.start()

    def _run(self, function, args):
        try:
            self._outcome = (function(*args), None)
        except BaseException as e:  # handed to whoever asks for the result
            self._outcome = (None, e)

    def running(self):
        return self._thread.is_alive()

    def result(self, timeout=PATIENCE):
        self._thread.join(timeout)
        if self._outcome is None:
            raise AssertionError("still running after %g s" % timeout)
        value, error = self._outcome
        if error is not None:
            raise error
        return value


def script(source, *args, env=None, options=(), check=True, timeout=PATIENCE * 2):
    """Runs a program with this interpreter and this package; what it printed."""
    full = dict(os.environ, **(env or {}))
    done = subprocess.run([sys.executable, *options, "-c", source, *map(str, args)], env=full,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          timeout=timeout, cwd=tempfile.gettempdir())
    if check and done.returncode != 0:
        raise AssertionError("ended with %d\n%s%s" % (done.returncode, done.stdout, done.stderr))
    return done


@contextlib.contextmanager
def process(source, *args, env=None):
    """A program that runs beside the test; it is killed at the end. stdin and stdout are pipes."""
    full = dict(os.environ, PYTHONUNBUFFERED="1", **(env or {}))
    p = subprocess.Popen([sys.executable, "-c", source, *map(str, args)], env=full,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True,
                         cwd=tempfile.gettempdir())
    try:
        yield p
    finally:
        p.kill()
        p.wait()
        p.stdin.close()
        p.stdout.close()


@contextlib.contextmanager
def directory():
    """A new directory, removed at the end."""
    path = tempfile.mkdtemp(prefix="brokermesh-python-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
