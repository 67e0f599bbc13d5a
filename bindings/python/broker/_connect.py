# SPDX-License-Identifier: Apache-2.0
"""Connecting with a mesh that `brokerctl up` runs on this machine."""

import json
import os

from ._endpoint import Endpoint
from ._errors import PeerUnavailable
from ._info import BrokerOptions, Configuration

__all__ = ["connect", "connect_async"]


def connect(mesh, node=None, timeout=10.0, config=None):
    """An Endpoint that is a peer of a node of a mesh which `brokerctl up -o json` started; PeerUnavailable if that isn't possible.

    mesh is what that command printed: a dict, the JSON text, or the path of a file with it. node is the name of one of its nodes, by
    default the first one that listens. The certificates are those that the command made for clients. config is a Configuration to start
    from.

        with broker.connect("mesh.json", node="manager") as ep:
            ep.publish("/topic/test", "hello")
    """
    endpoint, address, port = _prepare(mesh, node, config)
    try:
        call = endpoint.start("peer", *_peer(address, port))
        try:
            peer = call.result(timeout)
            endpoint.call("await_peer", peer, timeout=timeout)
        finally:
            call.cancel()
    except (RuntimeError, TimeoutError) as e:
        endpoint.shutdown()
        raise PeerUnavailable("no peering with %s:%d within %g s: %s" % (address, port, timeout, e)) from e
    except BaseException:
        endpoint.shutdown()
        raise
    return endpoint


async def connect_async(mesh, node=None, timeout=10.0, config=None):
    """connect for asyncio."""
    from ._aio import finish
    endpoint, address, port = _prepare(mesh, node, config)
    try:
        peer = await finish(endpoint.start("peer", *_peer(address, port)), timeout)
        await finish(endpoint.start("await_peer", peer), timeout)
    except (RuntimeError, TimeoutError) as e:
        await endpoint.shutdown_async()
        raise PeerUnavailable("no peering with %s:%d within %g s: %s" % (address, port, timeout, e)) from e
    except BaseException:
        endpoint.close()
        raise
    return endpoint


def _peer(address, port):
    from ._endpoint import _place
    return _place(address, port, 1)


def _prepare(mesh, node, config):
    """The endpoint, and the address and port of the node."""
    document = _document(mesh)
    address, port = _address(document, node)
    if config is None:
        config = Configuration(BrokerOptions())
    config = _secured(config, document.get("dataDir"))
    return Endpoint(config), address, port


def _document(mesh):
    if isinstance(mesh, (bytes, bytearray)):
        mesh = bytes(mesh).decode()
    if isinstance(mesh, str) and mesh.lstrip().startswith("{"):
        mesh = json.loads(mesh)
    elif isinstance(mesh, (str, os.PathLike)):
        with open(mesh, encoding="utf-8") as f:
            mesh = json.load(f)
    if not isinstance(mesh, dict) or not isinstance(mesh.get("nodes"), list):
        raise ValueError("mesh: this is not what `brokerctl up -o json` prints: it has no list of nodes")
    return mesh


def _address(document, node):
    nodes = {n.get("name"): n.get("address") for n in document["nodes"] if isinstance(n, dict)}
    listening = {name: address for name, address in nodes.items() if address}
    if node is None and not listening:
        raise ValueError("mesh: no node listens")
    if node is None:
        node = next(iter(listening))
    if node not in nodes:
        raise ValueError("node: %r is not one of %s" % (node, ", ".join(sorted(nodes))))
    if node not in listening:
        raise ValueError("node: %s has no address yet" % node)
    host, _, port = listening[node].rpartition(":")
    return host.strip("[]"), int(port)


def _secured(config, folder):
    """The configuration with the certificates in a mesh's data folder, or without TLS if the mesh has none."""
    made = Configuration(BrokerOptions())
    for name in made.options.__slots__:
        setattr(made.options, name, getattr(config.options, name))
    for name in made.__slots__:
        if name != "options":
            setattr(made, name, getattr(config, name))
    if made.openssl_certificate or made.options.disable_ssl or not folder:
        return made
    if _plain(folder):
        made.options.disable_ssl = True
        return made
    client = os.path.join(folder, "client")
    made.openssl_cafile = os.path.join(client, "ca.crt")
    made.openssl_certificate = os.path.join(client, "tls.crt")
    made.openssl_key = os.path.join(client, "tls.key")
    return made


def _plain(folder):
    """Does the mesh of a data folder do without TLS?"""
    try:
        with open(os.path.join(folder, "mesh.json"), encoding="utf-8") as f:
            return bool(json.load(f).get("plain"))
    except (OSError, ValueError):
        return not os.path.isdir(os.path.join(folder, "client"))
