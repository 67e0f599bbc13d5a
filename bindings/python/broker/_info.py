# SPDX-License-Identifier: Apache-2.0
"""What endpoints tell about themselves and each other, and how they are configured."""

from ._enums import SC, PeerFlags, PeerStatus

__all__ = ["BrokerOptions", "Configuration", "EndpointInfo", "Error", "NetworkInfo", "Optional", "PeerInfo", "Status", "Version"]

NOBODY = "00000000-0000-0000-0000-000000000000"


class Version:
    """The version of Broker that this package stands in for."""

    MAJOR = 2
    MINOR = 8
    PATCH = 0
    PROTOCOL = 2

    @staticmethod
    def string():
        """The version as text."""
        return "%d.%d.%d" % (Version.MAJOR, Version.MINOR, Version.PATCH)

    @staticmethod
    def compatible(version):
        """Does an endpoint with that version of the protocol understand this one?"""
        return version == Version.PROTOCOL


class Optional:
    """Something that may be missing: is_set() says whether it is there, get() gives it."""

    __slots__ = ("_value",)

    def __init__(self, value=None):
        self._value = value

    def is_set(self):
        """Is there something?"""
        return self._value is not None

    def get(self):
        """What is there, or None."""
        return self._value

    def __bool__(self):
        return self.is_set()

    def __eq__(self, other):
        return self._value == other._value if isinstance(other, Optional) else NotImplemented

    def __hash__(self):
        return hash(self._value)

    def __repr__(self):
        return repr(self._value)


class NetworkInfo:
    """An address and a port. retry is for old programs."""

    __slots__ = ("address", "port", "retry")

    def __init__(self, address="", port=0, retry=None):
        self.address, self.port, self.retry = address, port, retry

    def __eq__(self, other):
        return (self.address, self.port) == (other.address, other.port) if isinstance(other, NetworkInfo) else NotImplemented

    def __hash__(self):
        return hash((self.address, self.port))

    def __repr__(self):
        return "%s:%d" % (self.address, self.port)


class EndpointInfo:
    """Who an endpoint is and, if that is known, where: network is an optional NetworkInfo."""

    __slots__ = ("_id", "network")

    def __init__(self, node_id=NOBODY, network=None):
        self._id = node_id
        self.network = network if isinstance(network, Optional) else Optional(network)

    def node_id(self):
        """The endpoint's ID."""
        return self._id

    def __eq__(self, other):
        return (self._id, self.network) == (other._id, other.network) if isinstance(other, EndpointInfo) else NotImplemented

    def __hash__(self):
        return hash(self._id)

    def __repr__(self):
        return self._id


def endpoint_info(node_id, address, port):
    """An EndpointInfo from what the library tells."""
    return EndpointInfo(node_id, None if address is None else NetworkInfo(address, _number(port)))


class PeerInfo:
    """A peer of an endpoint."""

    __slots__ = ("peer", "flags", "status")

    def __init__(self, peer, flags=PeerFlags.Remote, status=PeerStatus.Peered):
        self.peer, self.flags, self.status = peer, flags, status

    def __repr__(self):
        return "PeerInfo(%r, %s, %s)" % (self.peer, self.flags, self.status)


class _Report:
    """What statuses and errors have in common."""

    __slots__ = ("_code", "_context", "_message", "_text")

    def __init__(self, code=0, context=None, message=None, text=None):
        self._code, self._context, self._message = code, context, message
        self._text = type(self)._empty if text is None else text

    def context(self):
        """The EndpointInfo of the endpoint that it is about, or None."""
        return self._context

    def message(self):
        """What happened, in words; None if nothing is said."""
        return self._message

    def __eq__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return (self._code, self._context, self._message) == (other._code, other._context, other._message)

    def __hash__(self):
        return hash((self._code, self._context))

    def __repr__(self):
        return self._text


class Status(_Report):
    """Something that happened to a peering, or to an endpoint in the mesh."""

    __slots__ = ()
    _empty = "unspecified"

    def code(self):
        """What happened, as SC."""
        return SC(self._code)


class Error(_Report):
    """Something that failed."""

    __slots__ = ()
    _empty = "none"

    def code(self):
        """What failed, as a number. It compares with the members of EC."""
        if self._code == 0:
            raise RuntimeError("an empty Error has no code")
        return self._code


def report(kind, code, context, message, text):
    """A Status or an Error from what the library tells; the extension calls it."""
    info = None if context is None else endpoint_info(*context)
    return (Status if kind == "status" else Error)(_number(code), info, message, text)


def _number(n):
    return n if n is None or isinstance(n, int) else n.value


class BrokerOptions:
    """Options of an endpoint, to be set before Configuration takes them.

    disable_ssl         plain TCP instead of TLS; both ends have to agree
    disable_forwarding  messages of peers don't go on to other peers
    ignore_broker_conf  for old programs: no configuration file is read anyway
    use_real_time       for old programs: time is always the real one
    """

    __slots__ = ("disable_ssl", "disable_forwarding", "ignore_broker_conf", "use_real_time")

    def __init__(self):
        self.disable_ssl = self.disable_forwarding = self.ignore_broker_conf = False
        self.use_real_time = True

    def __repr__(self):
        return "BrokerOptions(%s)" % ", ".join("%s=%r" % (n, getattr(self, n)) for n in self.__slots__)


class Configuration:
    """How an endpoint is set up. An endpoint copies it.

    openssl_certificate, openssl_key, openssl_passphrase, openssl_cafile, openssl_capath
        paths of PEM files, and the passphrase of the key. With them, both ends of a peering prove who they are; without, connections are
        encrypted only.
    max_threads
        for old programs: there are as many threads as there are processors
    extra
        more options of the endpoint, by name: memory_limit, subscriber_messages, subscriber_bytes, peer_messages, peer_bytes,
        flow_control, id, log (see brokermesh.h)
    """

    __slots__ = ("options", "openssl_cafile", "openssl_capath", "openssl_certificate", "openssl_key", "openssl_passphrase", "max_threads",
                 "extra")

    def __init__(self, options=None):
        if options is not None and not isinstance(options, BrokerOptions):
            raise TypeError("Configuration is made from BrokerOptions, not from %s" % type(options).__name__)
        self.options = options or BrokerOptions()
        self.openssl_cafile = self.openssl_capath = self.openssl_certificate = self.openssl_key = self.openssl_passphrase = ""
        self.max_threads = 0
        self.extra = {}

    def _table(self):
        """The options as the library takes them."""
        from . import Count
        o = self.options
        table = {"disable_ssl": bool(o.disable_ssl), "forward": not o.disable_forwarding, "cafile": self.openssl_cafile,
                 "capath": self.openssl_capath, "certificate": self.openssl_certificate, "key": self.openssl_key,
                 "passphrase": self.openssl_passphrase, "threads": Count(self.max_threads)}
        for name, value in self.extra.items():
            table[name] = Count(value) if type(value) is int else value
        return table


for _class in (BrokerOptions, Configuration, EndpointInfo, Error, NetworkInfo, PeerInfo, Status, Version):
    _class.__module__ = "broker"
