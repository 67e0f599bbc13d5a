# SPDX-License-Identifier: Apache-2.0
"""Waiting with asyncio: for descriptors, calls, and what subscribers and the like deliver."""

import os


async def readable(fd):
    """Wait until a descriptor is readable. It may be closed meanwhile, and several tasks may wait for one."""
    import asyncio
    loop = asyncio.get_running_loop()
    woken = loop.create_future()
    own = os.dup(fd)
    try:
        loop.add_reader(own, _wake, woken)
        await woken
    finally:
        loop.remove_reader(own)
        os.close(own)


def _wake(future):
    if not future.done():
        future.set_result(None)


async def finish(call, timeout=None):
    """What a call of the extension comes to. A task that is cancelled gives the call up; so does the timeout, with WaitTimeout."""
    import asyncio
    try:
        if not call.done():
            if timeout is None:
                await _done(call)
            else:
                await asyncio.wait_for(_done(call), timeout)
        return call.result()
    except (asyncio.TimeoutError, TimeoutError) as e:
        from ._errors import BrokerError, WaitTimeout
        if isinstance(e, BrokerError):
            raise
        raise WaitTimeout("not over within %g s" % timeout) from None
    finally:
        call.cancel()


async def _done(call):
    while not call.done():
        await readable(call.fileno())


class AsyncReader:
    """What subscribers, watches and the like have in common: get(0.0) gives an item or None, closed() says whether more may come."""

    __slots__ = ()

    async def get_async(self, *args):
        """get for asyncio: the same arguments, the same results, and other tasks go on meanwhile."""
        count, timeout = _arguments(args)
        if timeout is None:
            return await _take(self, count)
        import asyncio
        got = []
        try:
            taken = await asyncio.wait_for(_take(self, count, got), timeout)
        except (asyncio.TimeoutError, TimeoutError):
            taken = None if count is None else got
        return taken

    def __aiter__(self):
        return self

    async def __anext__(self):
        item = await _next(self)
        if item is None:
            raise StopAsyncIteration
        return item


def _arguments(args):
    """The count and the timeout among get's arguments."""
    if not args:
        return None, None
    if len(args) == 1 and isinstance(args[0], float):
        return None, args[0]
    if len(args) <= 2 and isinstance(args[0], int):
        return args[0], float(args[1]) if len(args) == 2 else None
    raise TypeError("get takes nothing, a count (int), a timeout (float), or a count and a timeout")


async def _take(reader, count, got=None):
    if count is None:
        item = await _next(reader)
        if item is None:
            raise RuntimeError("subscriber queue closed")
        return item
    got = [] if got is None else got
    while len(got) < count:
        item = await _next(reader)
        if item is None:
            raise RuntimeError("subscriber queue closed")
        got.append(item)
    return got


async def _next(reader):
    """The next item; None when nothing will come any more."""
    while True:
        # Asked first: what comes before the end is still taken.
        closed = reader.closed()
        item = reader.get(0.0)
        if item is not None or closed:
            return item
        await readable(reader.fileno())
