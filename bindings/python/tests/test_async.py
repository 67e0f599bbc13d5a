# SPDX-License-Identifier: Apache-2.0
"""The same with asyncio."""

import asyncio
import unittest

import broker
from broker import SC, Backend

from support import PATIENCE, configuration, unused_port


def soon(awaitable):
    """Fails instead of waiting for ever."""
    return asyncio.wait_for(awaitable, PATIENCE)


class Async(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.ep1, self.ep2 = broker.Endpoint(configuration()), broker.Endpoint(configuration())
        self.sub = self.ep1.make_subscriber("/test")
        self.port = self.ep1.listen("127.0.0.1", 0)
        self.assertIs(await soon(self.ep2.peer_async("127.0.0.1", self.port, 1.0)), True)
        self.assertIs(await soon(self.ep1.await_peer_async(self.ep2.node_id())), True)

    async def asyncTearDown(self):
        await soon(self.ep2.shutdown_async())
        await soon(self.ep1.shutdown_async())

    async def test_iteration(self):
        self.ep2.publish_batch(*(("/test", i) for i in range(5)))
        got = []
        async for topic, value in self.sub:
            got.append((topic, value))
            if len(got) == 5:
                break
        self.assertEqual(got, [("/test", i) for i in range(5)])

    async def test_iteration_ends_with_the_endpoint(self):
        self.ep2.publish("/test", 1)
        first = await soon(self.sub.get_async())
        async def rest():
            return [m async for m in self.sub]
        task = asyncio.ensure_future(rest())
        await soon(self.ep1.shutdown_async())
        self.assertEqual((first, await soon(task)), (("/test", 1), []))

    async def test_get(self):
        self.assertIsNone(await self.sub.get_async(0.01))
        self.assertEqual(await self.sub.get_async(2, 0.01), [])
        self.ep2.publish_batch(("/test", 1), ("/test", 2), ("/test", 3))
        self.assertEqual(await soon(self.sub.get_async()), ("/test", 1))
        self.assertEqual(await soon(self.sub.get_async(2)), [("/test", 2), ("/test", 3)])
        with self.assertRaises(TypeError):
            await self.sub.get_async("1")

    async def test_a_wait_that_is_cancelled_loses_nothing(self):
        for i in range(20):
            task = asyncio.ensure_future(self.sub.get_async())
            await asyncio.sleep(0)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.ep2.publish("/test", i)
            self.assertEqual(await soon(self.sub.get_async()), ("/test", i))

    async def test_others_go_on(self):
        back = self.ep2.make_subscriber("/back")
        await soon(self.ep2.sync_async())
        async def answer():
            async for _, value in self.sub:
                self.ep1.publish("/back", value + 1)
        task = asyncio.ensure_future(answer())
        value = 0
        while value < 50:
            self.ep2.publish("/test", value)
            _, value = await soon(back.get_async())
        task.cancel()
        self.assertEqual(value, 50)

    async def test_statuses(self):
        async with self.ep1.make_status_subscriber(True) as es, broker.Endpoint(configuration()) as ep3:
            await soon(ep3.peer_async("127.0.0.1", self.port, 0))
            seen = []
            async for status in es:
                seen.append(status.code())
                if len(seen) == 2:
                    break
            self.assertEqual(seen, [SC.EndpointDiscovered, SC.PeerAdded])

    async def test_peering(self):
        self.assertIs(await soon(self.ep2.peer_async("127.0.0.1", unused_port(), 0)), False)
        waiting = asyncio.ensure_future(self.ep2.peer_async("127.0.0.1", unused_port(), 1.0))
        await asyncio.sleep(0)
        waiting.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await waiting
        self.assertIs(await self.ep2.await_peer_async("nobody", 0.01), False)
        self.assertIs(await soon(self.ep2.unpeer_async("127.0.0.1", self.port)), True)
        self.assertEqual(self.ep2.peers(), [])

    async def test_store(self):
        store = self.ep1.attach_master("s", Backend.Memory)
        await soon(store.put_async("k", 1))
        self.assertEqual(await soon(store.get_async("k")), 1)
        self.assertEqual(await soon(store.get_async("none", "default")), "default")
        self.assertIs(await soon(store.put_unique_async("k", 2)), False)
        self.assertIs(await soon(store.put_unique_async("u", 2)), True)
        await soon(store.increment_async("k", 5))
        self.assertEqual(store.get("k"), 6)
        await soon(store.erase_async("k"))
        self.assertIs(store.exists("k"), False)
        self.assertIs(await soon(store.await_idle_async()), True)
        with self.assertRaises(TypeError):
            await store.increment_async("u", "text")

    async def test_watch(self):
        store = self.ep1.attach_master("s", Backend.Memory)
        async with store.watch() as watch:
            store.put("k", 1)
            store.put("k", 2)
            store.erase("k")
            seen = []
            async for event in watch:
                seen.append((event.kind, event.key, event.old, event.new))
                if len(seen) == 3:
                    break
        self.assertEqual(seen, [("insert", "k", None, 1), ("update", "k", 1, 2), ("erase", "k", 2, None)])

    async def test_many_tasks(self):
        async def take():
            return await soon(self.sub.get_async())
        tasks = [asyncio.ensure_future(take()) for _ in range(20)]
        await asyncio.sleep(0)
        for i in range(20):
            self.ep2.publish("/test", i)
        self.assertEqual(sorted(v for _, v in await asyncio.gather(*tasks)), list(range(20)))


if __name__ == "__main__":
    unittest.main()
