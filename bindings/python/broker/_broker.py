# SPDX-License-Identifier: Apache-2.0
"""The names of the reference's extension module, for programs that reach below the package."""

from . import _native
from ._containers import Set, Table, Topic, Vector
from ._enums import EC, SC, APIFlags, Backend, Frontend, PeerFlags, PeerStatus
from ._info import BrokerOptions, Configuration, EndpointInfo, Error, NetworkInfo, Optional, PeerInfo, Status, Version
from ._native import Address, Count, Data, Enum, Port, Subnet, Timespan, Timestamp, now
from ._store import Store
from ._subscribers import Publisher, StatusSubscriber, Subscriber

#: The base of broker.Endpoint. Its publish also sends to one peer: Endpoint.publish(ep, EndpointInfo, Topic, Data).
Endpoint = _native.Endpoint

Blocking, NonBlocking = APIFlags.Blocking, APIFlags.NonBlocking
Master, Clone = Frontend.Master, Frontend.Clone
Memory, SQLite = Backend.Memory, Backend.SQLite

VectorTopic = VectorPairTopicData = VectorPeerInfo = VectorStatusSubscriberValueType = list
OptionalSubscriberBaseValueType = OptionalNetworkInfo = OptionalTimespan = Optional
MapBackendOptions = dict


class _Expected:
    """Something, or the Error that there is in its place."""

    __slots__ = ("_value", "_error")

    def __init__(self, value=None, error=None):
        self._value, self._error = value, error

    def is_valid(self):
        """Is there something?"""
        return self._error is None

    def get(self):
        """What there is."""
        if self._error is not None:
            raise RuntimeError(repr(self._error))
        return self._value

    def error(self):
        """The Error, or None."""
        return self._error


class ExpectedData(_Expected):
    """Data or an Error."""

    __slots__ = ()


class ExpectedStore(_Expected):
    """A Store or an Error."""

    __slots__ = ()


def Infinite():
    """The longest Timespan."""
    return Timespan(2**63 - 1)


__all__ = ["APIFlags", "Address", "Backend", "Blocking", "BrokerOptions", "Clone", "Configuration", "Count", "Data", "EC", "Endpoint",
           "EndpointInfo", "Enum", "Error", "ExpectedData", "ExpectedStore", "Frontend", "Infinite", "MapBackendOptions", "Master", "Memory",
           "NetworkInfo", "NonBlocking", "OptionalNetworkInfo", "OptionalSubscriberBaseValueType", "OptionalTimespan", "PeerFlags",
           "PeerInfo", "PeerStatus", "Port", "Publisher", "SC", "SQLite", "Set", "Status", "StatusSubscriber", "Store", "Subnet",
           "Subscriber", "Table", "Timespan", "Timestamp", "Topic", "Vector", "VectorPairTopicData", "VectorPeerInfo",
           "VectorStatusSubscriberValueType", "VectorTopic", "Version", "now"]
