# SPDX-License-Identifier: Apache-2.0
"""Endpoints."""

import atexit
import os
import sys
import uuid
import weakref

from . import _native
from ._aio import finish
from ._enums import Backend, PeerFlags, PeerStatus
from ._errors import BrokerError
from ._info import Configuration, PeerInfo, endpoint_info
from ._native import Count, Timespan
from ._store import Store
from ._subscribers import Publisher, SafeSubscriber, Source, StatusSubscriber, Subscriber, make_topic, make_topics

__all__ = ["Endpoint"]

# How long await_peer waits unless told otherwise, in seconds.
AWAIT = 10.0


# Endpoints that were not shut down: the end of the interpreter does it, so that what they published arrives.
_living = weakref.WeakSet()


@atexit.register
def _end():
    threading = sys.modules.get("threading")
    if threading is not None:
        told = threading.excepthook
        # Daemon threads that wait for messages learn that none will come; nobody needs to read that now.
        threading.excepthook = lambda args: isinstance(args.exc_value, RuntimeError) or told(args)
    for endpoint in list(_living):
        endpoint._let_go()


def _place(address, port, retry=None):
    """The arguments of operations on peerings; TypeError for what they can't be."""
    if not isinstance(address, str):
        raise TypeError("address: a str is needed, not %s" % type(address).__name__)
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise TypeError("port: a number from 0 to 65535 is needed, not %r" % (port,))
    if retry is None:
        return address, Count(port)
    if not isinstance(retry, (int, float)):
        raise TypeError("retry: seconds are needed, not %r" % (retry,))
    return address, Count(port), Timespan(max(0, int(retry)) * 1000000000)


def _awaited(node_id):
    """The ID to wait for. What is no ID belongs to nobody, so a fresh one does."""
    try:
        return str(uuid.UUID(node_id))
    except (ValueError, AttributeError):
        if not isinstance(node_id, str):
            raise TypeError("node_id: a str is needed, not %s" % type(node_id).__name__) from None
        return str(uuid.uuid4())


class Endpoint(_native.Endpoint):
    """An endpoint of the mesh: it listens and peers, publishes, and makes subscribers and data stores.

        with broker.Endpoint() as ep:
            ep.peer("127.0.0.1", 9999)
            ep.publish("/topic/test", ["hello", 5])

    Leaving `with` shuts it down, and so do the end of the program and of the last reference to it. All methods may be called from any
    thread; those that wait let other threads run, and Ctrl-C ends them. What an endpoint publishes doesn't come to its own subscribers.
    """

    _lives = False
    _id = ""

    def __init__(self, config=None):
        if config is not None and not isinstance(config, Configuration):
            raise TypeError("Endpoint takes a Configuration, not %s" % type(config).__name__)
        super().__init__((config or Configuration())._table())
        self._process = os.getpid()
        self._id = super().node_id()
        self._lives = True
        _living.add(self)

    def node_id(self):
        """The endpoint's ID, a UUID; also after shutdown."""
        return self._id

    # ---- peerings

    def listen(self, address, port):
        """Listen at an address ("": all interfaces) and a port (0: any that is free). The port, or 0 if that isn't possible."""
        address, port = _place(address, port)
        try:
            return super().listen(address, port.value)
        except BrokerError:
            return 0

    def peer(self, address, port, retry=10.0):
        """Connect to an endpoint, and wait until that is done. True: it is a peer. False: it failed.

        retry, in whole seconds, is how long to wait between attempts: without end, until one succeeds. With 0 there is one attempt.
        """
        try:
            self.call("peer", *_place(address, port, retry))
        except BrokerError:
            return False
        return True

    def peer_nosync(self, address, port, retry=10.0):
        """Connect in the background; status subscribers tell what comes of it."""
        try:
            self.call("peer_nosync", *_place(address, port, retry))
        except BrokerError:
            pass

    def unpeer(self, address, port):
        """End a peering, and wait for that. Always True; a status subscriber tells if there was none."""
        try:
            self.call("unpeer", *_place(address, port))
        except BrokerError:
            pass
        return True

    def unpeer_nosync(self, address, port):
        """End a peering in the background."""
        try:
            self.start("unpeer", *_place(address, port)).detach()
        except BrokerError:
            pass

    def peers(self):
        """The peers, as a list of PeerInfo."""
        try:
            rows = self.query("peers")
        except BrokerError:
            return []
        return [PeerInfo(endpoint_info(r[0], r[1], r[2]), PeerFlags(r[3].value), PeerStatus(r[4].value)) for r in rows]

    def peer_subscriptions(self):
        """Not available, as in the reference since 2.x."""
        raise RuntimeError("peer_subscriptions: endpoints don't tell what their peers subscribe to")

    def await_peer(self, node_id, timeout=None):
        """Wait until there is a way to the endpoint of that ID; False if there is none within the timeout, by default 10 s."""
        try:
            self.call("await_peer", _awaited(node_id), timeout=timeout or AWAIT)
        except BrokerError:
            return False
        return True

    def forward(self, topics):
        """Have messages on topics sent here, and on to other peers, without receiving them."""
        self.call("forward", [t.string() for t in make_topics(topics)])

    def shutdown(self):
        """End everything, and wait until what was published has been sent, for a few seconds at most. Repeatable."""
        try:
            self.call("shutdown")
        except BrokerError:
            pass
        self._closed()

    def _closed(self):
        self._lives = False
        _living.discard(self)
        self.close()

    def _let_go(self):
        # In the child of a fork there is nothing to let go.
        if os.getpid() == self._process:
            self.shutdown()

    def __del__(self):
        if self._lives:
            self._let_go()

    # ---- messages

    def make_subscriber(self, topics, qsize=20, subscriber_class=Subscriber):
        """A Subscriber to topics that begin with one of these: a str, a Topic or an iterable of them. qsize is for old programs."""
        return subscriber_class(Source(self, topics))

    def make_safe_subscriber(self, topics, qsize=20):
        """A SafeSubscriber: its values are immutable."""
        return self.make_subscriber(topics, qsize, SafeSubscriber)

    def make_status_subscriber(self, receive_statuses=False):
        """A StatusSubscriber, for errors and, if asked for, statuses."""
        return StatusSubscriber(self, bool(receive_statuses))

    def make_publisher(self, topic):
        """A Publisher to one topic."""
        return Publisher(self, make_topic(topic).string())

    # ---- data stores

    def attach_master(self, name, type=None, opts={}):
        """Create the master of a data store, or another handle of it. None if that isn't possible.

        type is Backend.Memory or Backend.SQLite; opts are options of the backend, such as {"path": "store.sqlite"}.
        """
        if not isinstance(type, Backend):
            raise TypeError("type: a Backend is needed, not %r" % (type,))
        try:
            return self.open_master(name, type, **opts)
        except BrokerError:
            return None

    def attach_clone(self, name):
        """Create a clone of a data store, or another handle of it. It fills when its master is found. None if that isn't possible."""
        try:
            return self.open_clone(name)
        except BrokerError:
            return None

    def open_master(self, name, backend=Backend.Memory, **options):
        """attach_master that raises the reason of a failure. backend may be text too: "memory", "sqlite", "pebble"."""
        if isinstance(backend, Backend):
            backend = backend.name.lower()
        return Store(self, True, _name(name), dict(options, backend=backend))

    def open_clone(self, name, stale_interval=None):
        """attach_clone that raises the reason of a failure. After stale_interval seconds without its master, reads fail."""
        options = {} if stale_interval is None else {"stale_interval": Timespan(float(stale_interval))}
        return Store(self, False, _name(name), options)

    # ---- beyond the reference

    def flush(self, timeout=None):
        """Wait until what was published so far has been handed to the operating system."""
        self.call("flush", timeout=timeout)

    def sync(self, timeout=None):
        """Wait until all peers know what is subscribed to here."""
        self.call("sync", timeout=timeout)

    def stats(self):
        """Counters of the endpoint: a dict from names to numbers."""
        return {k: v.value for k, v in self.query("stats").items()}

    async def peer_async(self, address, port, retry=10.0):
        """peer for asyncio. Cancelling the task gives up."""
        try:
            await finish(self.start("peer", *_place(address, port, retry)))
        except BrokerError:
            return False
        return True

    async def unpeer_async(self, address, port):
        """unpeer for asyncio."""
        try:
            await finish(self.start("unpeer", *_place(address, port)))
        except BrokerError:
            pass
        return True

    async def await_peer_async(self, node_id, timeout=None):
        """await_peer for asyncio."""
        try:
            await finish(self.start("await_peer", _awaited(node_id)), timeout or AWAIT)
        except BrokerError:
            return False
        return True

    async def flush_async(self, timeout=None):
        """flush for asyncio."""
        await finish(self.start("flush"), timeout)

    async def sync_async(self, timeout=None):
        """sync for asyncio."""
        await finish(self.start("sync"), timeout)

    async def shutdown_async(self):
        """shutdown for asyncio."""
        try:
            await finish(self.start("shutdown"))
        except BrokerError:
            pass
        self._closed()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.shutdown()

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, value, trace):
        await self.shutdown_async()

    def __repr__(self):
        return self.node_id()


def _name(name):
    if not isinstance(name, str):
        raise TypeError("name: a str is needed, not %s" % type(name).__name__)
    return name


Endpoint.__module__ = "broker"
