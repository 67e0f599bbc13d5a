# SPDX-License-Identifier: Apache-2.0
"""The enumerations of the package."""

import enum

__all__ = ["APIFlags", "AddressByteOrder", "AddressFamily", "Backend", "DataType", "EC", "Frontend", "PeerFlags", "PeerStatus",
           "PortProtocol", "SC"]


class _Numbered(enum.Enum):
    """Members that are numbers to int(), but equal only to members of the same enumeration."""

    def __int__(self):
        return self.value

    __index__ = __int__


class EC(_Numbered):
    """Error codes. Other than the members of other enumerations they compare with numbers as well: Error.code() is one."""

    Unspecified = 1
    PeerIncompatible = 2
    PeerInvalid = 3
    PeerUnavailable = 4
    PeerTimeout = 6
    MasterExists = 7
    NoSuchMaster = 8
    NoSuchKey = 9
    RequestTimeOut = 10
    TypeClash = 11
    InvalidData = 12
    BackendFailure = 13
    StaleData = 14

    def __eq__(self, other):
        if isinstance(other, EC):
            return self.value == other.value
        return type(other) is int and self.value == other

    def __hash__(self):
        return self.value


class SC(_Numbered):
    """Status codes: what happens to peerings."""

    Unspecified = 0
    PeerAdded = 1
    PeerRemoved = 2
    PeerLost = 3
    EndpointDiscovered = 4
    EndpointUnreachable = 5


class PeerStatus(_Numbered):
    """How far a peering is. Those that Endpoint.peers() lists are Peered."""

    Initialized = 0
    Connecting = 1
    Connected = 2
    Peered = 3
    Disconnected = 4
    Reconnecting = 5


class PeerFlags(_Numbered):
    """What a peer is. Those that Endpoint.peers() lists are Remote."""

    Invalid = 0
    Local = 1
    Remote = 2
    Outbound = 4
    Inbound = 8


class APIFlags(_Numbered):
    """Kept for old programs; nothing uses it."""

    Blocking = 1
    NonBlocking = 2


class Frontend(_Numbered):
    """The two ends of a data store."""

    Clone = 0
    Master = 1


class Backend(_Numbered):
    """Where a master keeps its entries. Endpoint.open_master takes the text "pebble" besides."""

    Memory = 0
    SQLite = 1


# Type.None is a name that Python can't write down, but getattr finds it.
DataType = _Numbered("Type", [("Nil", 0), ("None", 0), ("Boolean", 1), ("Count", 2), ("Integer", 3), ("Real", 4), ("String", 5),
                              ("Address", 6), ("Subnet", 7), ("Port", 8), ("Timestamp", 9), ("Timespan", 10), ("EnumValue", 11),
                              ("Set", 12), ("Table", 13), ("Vector", 14)], module="broker", qualname="Data.Type")
DataType.__doc__ = "The kinds of data: Data.get_type() is one of them."


class PortProtocol(_Numbered):
    """The protocol of a port: Port.get_type() is one of them, and Port has them as Port.TCP etc."""

    Unknown = 0
    TCP = 1
    UDP = 2
    ICMP = 3


class AddressFamily(_Numbered):
    """IPv4 or IPv6."""

    IPv4 = 0
    IPv6 = 1


class AddressByteOrder(_Numbered):
    """The order of the bytes of an address. Those of Address(bytes, family) are in network order."""

    Host = 0
    Network = 1


for _class, _name in ((PortProtocol, "Port.Protocol"), (AddressFamily, "Address.Family"), (AddressByteOrder, "Address.ByteOrder")):
    _class.__module__, _class.__qualname__, _class.__name__ = "broker", _name, _name.rsplit(".", 1)[1]
for _class in (EC, SC, PeerStatus, PeerFlags, APIFlags, Frontend, Backend):
    _class.__module__ = "broker"
