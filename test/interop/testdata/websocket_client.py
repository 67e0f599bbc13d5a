#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client of the WebSocket gateway with the package websockets, which nobody here wrote.

Connects to URL (with --token, --ca, --cert and --key if given), says "ready" on /from/ready, sends every value that arrives on /to/echo back
on /from/echo, and ends when anything arrives on /to/end. Prints one JSON object with what it saw.
"""
import argparse
import asyncio
import json
import ssl

import websockets


def strict(text):
    """Parses JSON without what Python's parser allows beyond the standard."""
    def bad(word):
        raise ValueError("not JSON: " + word)
    return json.loads(text, parse_constant=bad)


def fragments(text, size):
    return [text[i:i + size] for i in range(0, len(text), size)]


def security(args):
    if not args.ca:
        return None
    context = ssl.create_default_context(cafile=args.ca)
    context.check_hostname = False
    if args.cert:
        context.load_cert_chain(args.cert, args.key)
    return context


async def converse(args, saw):
    headers = {"X-Application-Name": "python"}
    if args.token:
        headers["Authorization"] = "Bearer " + args.token
    async with websockets.connect(args.url, extra_headers=headers, ssl=security(args), max_size=None) as ws:
        await ws.send(json.dumps(["/to/"]))
        saw["ack"] = strict(await ws.recv())
        await ws.send("nonsense")
        saw["error"] = strict(await ws.recv())
        await (await ws.ping())  # answered
        await ws.send(json.dumps({"topic": "/from/ready", "@data-type": "none"}))
        while True:
            message = strict(await ws.recv())
            if message["topic"] == "/to/end":
                break
            message["topic"] = "/from/echo"
            # Every message in fragments of 100 characters, an odd form of writing it.
            await ws.send(fragments(json.dumps(message, indent=1), 100))
            saw["echoed"] = saw.get("echoed", 0) + 1
    saw["close"] = [ws.close_code, ws.close_reason]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    for name in "token", "ca", "cert", "key":
        parser.add_argument("--" + name)
    args = parser.parse_args()
    saw = {}
    try:
        asyncio.run(converse(args, saw))
    except websockets.exceptions.InvalidStatusCode as e:
        saw["status"] = e.status_code
    except (ssl.SSLError, websockets.exceptions.ConnectionClosed, websockets.exceptions.InvalidMessage) as e:
        saw["failed"] = type(e).__name__ + ": " + str(e)
    print(json.dumps(saw))


main()
