# SPDX-License-Identifier: Apache-2.0
"""Messages with asyncio: two tasks, each with its endpoint."""

import asyncio

import broker


async def answer(ep, sub):
    async for topic, (number,) in sub:
        ep.publish("/pong", [number * number])


async def main():
    async with broker.Endpoint() as ep1, broker.Endpoint() as ep2:
        with ep1.make_subscriber("/ping") as pings, ep2.make_subscriber("/pong") as pongs:
            await ep2.peer_async("127.0.0.1", ep1.listen("127.0.0.1", 0), 1.0)
            task = asyncio.ensure_future(answer(ep1, pings))
            for n in range(3):
                ep2.publish("/ping", [n])
            got = []
            async for topic, value in pongs:
                got.append(value)
                if len(got) == 3:
                    break
            print(got)
            task.cancel()


asyncio.run(main())
