# SPDX-License-Identifier: Apache-2.0
"""Data stores."""

from collections import namedtuple

from . import _native
from ._aio import AsyncReader, finish
from ._errors import BrokerError, NoSuchKey
from ._native import Timespan

__all__ = ["Store", "StoreEvent"]

# How long a read waits for a master that a clone has not found yet, in seconds: as in the reference.
DELAY = 5.0

# How long await_idle waits unless told otherwise, in seconds.
IDLE = 15.0

StoreEvent = namedtuple("StoreEvent", "kind key old new sequence")
StoreEvent.__doc__ = """A change that Store.watch delivers: kind is insert, update, erase or expire."""
StoreEvent.__module__ = "broker"


class _Absent:
    """The type of Store.ABSENT."""

    __slots__ = ()

    def __repr__(self):
        return "Store.ABSENT"


def _span(seconds):
    """An expiry as the library takes it."""
    return None if seconds is None else seconds if isinstance(seconds, Timespan) else Timespan(float(seconds))


class Store(_native.Store):
    """A data store: a handle of its master or of a clone; Endpoint.attach_master and attach_clone make one.

    The methods of the reference never raise for what happens in the mesh: reads answer None, and writes don't wait. A clone that has
    not found its master yet makes reads wait for it, for five seconds at most. Beside them:

        store[key], store[key] = value, del store[key], key in store, len(store), for key in store, store.items()
        store.call("put", key, value, expiry)      waits until it is done, and raises BrokerError if it isn't
        await store.put_async(key, value)          the same for asyncio
        for event in store.watch()                 changes as they happen; async for works too

    Keys and values are whatever Data takes. Times are in seconds.
    """

    ABSENT = _Absent()

    def __init__(self, endpoint, master, name, options=None):
        super().__init__(endpoint, master, name, options)
        self._endpoint = endpoint

    # ---- as in the reference

    def name(self):
        """The store's name; empty after its endpoint was shut down, or the handle closed."""
        return super().name() if self._endpoint._lives else ""

    def exists(self, key):
        """Is there an entry of that key?"""
        return self.read("exists", key, timeout=DELAY)

    def get(self, key):
        """The value of a key; None if there is none, or the store can't be read."""
        try:
            return self.read("get", key, timeout=DELAY)
        except BrokerError:
            return None

    def get_index_from_value(self, key, index):
        """An element of a vector, an entry of a table, or whether a set has the index; None if there is none."""
        try:
            return self.read("index", key, index, timeout=DELAY)
        except BrokerError:
            return None

    def keys(self):
        """The set of all keys; None if the store can't be read."""
        try:
            return self.read("keys", timeout=DELAY)
        except BrokerError:
            return None

    def put(self, key, value, expiry=None):
        """Store a value, to be dropped after expiry seconds."""
        self._write("put", key, value, _span(expiry))

    def put_unique(self, key, value, expiry=None):
        """Store a value unless the key is there: True if it was stored, False if not, None if that isn't known."""
        try:
            return self.call("put_unique", key, value, _span(expiry))
        except BrokerError:
            return None

    def erase(self, key):
        """Drop an entry."""
        self._write("erase", key)

    def clear(self):
        """Drop all entries."""
        self._write("clear")

    def increment(self, key, amount, expiry=None):
        """Add to a number, or move a time on. Of a count only a Count can be added."""
        self._write("increment", key, amount, _span(expiry))

    def decrement(self, key, amount, expiry=None):
        """Subtract from a number, or move a time back."""
        self._write("decrement", key, amount, _span(expiry))

    def append(self, key, s, expiry=None):
        """Append to a string."""
        self._write("append", key, s, _span(expiry))

    def insert_into(self, key, index, value=None, expiry=None):
        """Put an index into a set or, with a value, an entry into a table."""
        if value is None:
            self._write("insert_into", key, index, _span(expiry))
        else:
            self._write("insert_into_table", key, index, value, _span(expiry))

    def remove_from(self, key, index, expiry=None):
        """Take an index out of a set or table."""
        self._write("remove_from", key, index, _span(expiry))

    def push(self, key, value, expiry=None):
        """Append to a vector."""
        self._write("push", key, value, _span(expiry))

    def pop(self, key, expiry=None):
        """Drop the last element of a vector."""
        self._write("pop", key, _span(expiry))

    def await_idle(self, timeout=None):
        """Wait until nothing is on its way between master and clones; False if it takes longer than the timeout, by default 15 s."""
        try:
            self.call("await_idle", timeout=timeout or IDLE)
        except BrokerError:
            return False
        return True

    def _write(self, op, *args):
        try:
            self.write(op, *args)
        except BrokerError:
            pass  # as the reference: a store that is closed takes what is written, and forgets it

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()

    # ---- beyond the reference

    def status(self):
        """What is known of the store: name, role, state, entries, bytes, how far it lags, writes that failed and the last failure."""
        return self.read("status")

    def compare_and_set(self, key, old, new, expiry=None):
        """Store a value if the present one equals old, or if there is none and old is Store.ABSENT. Was it stored?"""
        present = old is not Store.ABSENT
        return self.call("compare_and_set", key, old if present else None, present, new, _span(expiry))

    def batch(self, writes, conditions=None):
        """Carry out several writes together, such as [("put", key, value), ("erase", key)], if all conditions hold.

        conditions is a dict from keys to what their values have to equal, or to Store.ABSENT. False: one did not hold, and nothing
        was done.
        """
        tests = [(k, v is not Store.ABSENT, None if v is Store.ABSENT else v) for k, v in (conditions or {}).items()]
        return self.call("batch", tests, [tuple(w) for w in writes])

    def watch(self, key=None, since=None):
        """Deliver changes as they happen: of all keys or of one, and from the change after the sequence number `since` on."""
        return Watch(self, key, since)

    def entries(self):
        """Iterate over (key, value, seconds that are left or None)."""
        for key, value, left in _native.Store.entries(self):
            yield key, value, left if left is None else left.total_seconds()

    def items(self):
        """Iterate over (key, value)."""
        for key, value, _ in _native.Store.entries(self):
            yield key, value

    def values(self):
        """Iterate over the values."""
        for _, value, _ in _native.Store.entries(self):
            yield value

    def detach(self):
        """End the store on this endpoint, for all its handles."""
        self.call("detach")

    def __getitem__(self, key):
        try:
            return self.read("get", key, timeout=DELAY)
        except NoSuchKey:
            raise KeyError(key) from None

    def __setitem__(self, key, value):
        self.write("put", key, value, None)

    def __delitem__(self, key):
        if not self.read("exists", key, timeout=DELAY):
            raise KeyError(key)
        self.write("erase", key)

    def __contains__(self, key):
        return self.read("exists", key, timeout=DELAY)

    def __len__(self):
        return self.read("size", timeout=DELAY)[0].value

    def __bool__(self):
        return True  # attach_master and attach_clone answer None for failure; an empty store is none

    def __iter__(self):
        for key, _, _ in _native.Store.entries(self):
            yield key

    def __repr__(self):
        return "<Store %r>" % self.name()

    # ---- for asyncio

    async def call_async(self, op, *args, timeout=None):
        """call for asyncio: an operation of the library (see brokermesh.h), its result or a BrokerError."""
        return await finish(self.start(op, *args), timeout)

    async def get_async(self, key, default=None):
        """The value of a key, or the default."""
        try:
            return await self.call_async("get", key)
        except NoSuchKey:
            return default

    async def put_async(self, key, value, expiry=None):
        """Store a value, and wait until the master has it."""
        await self.call_async("put", key, value, _span(expiry))

    async def put_unique_async(self, key, value, expiry=None):
        """Store a value unless the key is there. Was it stored?"""
        return await self.call_async("put_unique", key, value, _span(expiry))

    async def erase_async(self, key):
        """Drop an entry, and wait until the master has done so."""
        await self.call_async("erase", key)

    async def increment_async(self, key, amount, expiry=None):
        """Add to a number, and wait until the master has done so."""
        await self.call_async("increment", key, amount, _span(expiry))

    async def await_idle_async(self, timeout=None):
        """await_idle for asyncio."""
        try:
            await self.call_async("await_idle", timeout=timeout or IDLE)
        except BrokerError:
            return False
        return True

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, value, trace):
        self.close()


class Watch(AsyncReader):
    """The changes of a store, as StoreEvents; Store.watch makes one. Iterate over it, with for or async for, or call get.

    fd() is readable while one waits. Leaving `with` ends it, as close() does.
    """

    def __init__(self, store, key, since):
        self._raw = _native.Store.watch(store, key, since)

    def get(self, *args):
        """One change, or several: the same arguments as Subscriber.get."""
        got = self._raw.get(*args)
        if isinstance(got, list):
            return [_event(x) for x in got]
        return got if got is None else _event(got)

    def closed(self):
        """Has it ended?"""
        return self._raw.closed()

    def fd(self):
        """The descriptor."""
        return self._raw.fileno()

    fileno = fd

    def close(self):
        """End it."""
        self._raw.close()

    def __iter__(self):
        return self

    def __next__(self):
        return _event(next(self._raw))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, value, trace):
        self.close()


def _event(raw):
    kind, key, old, new, sequence = raw
    return StoreEvent(kind, key, old, new, sequence.value)


Store.__module__ = Watch.__module__ = "broker"
__all__ += ["Watch"]
