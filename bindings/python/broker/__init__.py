# SPDX-License-Identifier: Apache-2.0
"""Broker for Python: publish and subscribe in meshes of endpoints, Zeek's among them, and distributed data stores.

    import broker

    with broker.Endpoint() as ep, ep.make_subscriber("/topic/test") as sub:
        ep.peer("127.0.0.1", 9999)
        ep.publish("/topic/test", ["hello", 5])
        topic, value = sub.get()

Where to look: help(broker.Endpoint) for connections and messages, broker.Subscriber and broker.StatusSubscriber for what comes in,
broker.Store for data stores, broker.zeek for Zeek's events, broker.Data for how values translate, broker.BrokerError for failures.

The names are those of the bindings of C++ Broker, and programs that were written for these run as they are. Beside them there are:

    async for topic, value in sub, await sub.get_async(), await ep.peer_async(...), await store.put_async(...)
                                asyncio: what ends in _async is the method without it, for asyncio
    connect(mesh, node=None)    an endpoint that is a peer of a mesh which `brokerctl up -o json` started
    to_broker, from_broker      dataclasses as records
    store[key], store.items(), store.watch()
                                data stores as dicts, and their changes
    pickle and copy             of all data
"""

import datetime as _datetime

from . import _native
from ._native import Address, Count, Data, Enum, Port, Subnet, Timespan, Timestamp, now

# What the extension can't be without: the classes that its results are made of.
from . import _containers, _enums, _errors, _info  # noqa: E402  isort: skip

Data.__doc__ = """Any value of Broker: Data(x) makes one of a Python value, Data.to_py(d) gives the Python value of it.

    Python                                Broker       and back
    None, bool, int, float                none, boolean, integer, real
    Count                                 count        Count: no int, for the two are told apart
    str, bytes                            string       str, or bytes if it isn't UTF-8
    datetime.timedelta, Timespan          timespan     timedelta
    datetime.datetime, Timestamp          timestamp    datetime in UTC
    ipaddress's addresses, Address        address      IPv4Address, IPv6Address
    ipaddress's networks, Subnet          subnet       IPv4Network, IPv6Network
    Port, Enum                            port, enum   the same
    list, tuple, Vector                   vector       tuple
    set, frozenset, Set                   set          set (ImmutableData.to_py: frozenset)
    dict, mappingproxy, Table             table        dict (ImmutableData.to_py: one that can't be changed)

Whatever takes data converts like this. TypeError says which part of a value has no counterpart. Values of all types have one order, can be
hashed, compared and pickled; str() is Broker's own text.
"""
Data.Type = _enums.DataType
Port.Protocol = _enums.PortProtocol
for _member in _enums.PortProtocol:
    setattr(Port, _member.name, _member)
Address.Family = _enums.AddressFamily
Address.ByteOrder = _enums.AddressByteOrder
_native.set_hooks(frozen_dict=_containers.HashableReadOnlyDict, data_type=_enums.DataType, port_type=_enums.PortProtocol,
                  as_set=_containers.Set, as_table=_containers.Table, as_vector=_containers.Vector, error=_errors.of,
                  status=_info.report)

from . import _broker, zeek  # noqa: E402
from ._connect import connect, connect_async  # noqa: E402
from ._containers import ImmutableData, Set, Table, Topic, Vector  # noqa: E402
from ._endpoint import Endpoint  # noqa: E402
from ._enums import EC, SC, APIFlags, Backend, Frontend, PeerFlags, PeerStatus  # noqa: E402
from ._errors import (ArgumentError, BackendFailure, BrokerError, ClosedError, DataTypeError, InvalidDataError, MasterExists,  # noqa: E402
                      NoSuchKey, NoSuchMaster, OutcomeUnknown, PeerError, PeerIncompatible, PeerInvalid, PeerTimeout, PeerUnavailable,
                      RequestTimeOut, StoreError, StoreStale, WaitTimeout)
from ._info import (BrokerOptions, Configuration, EndpointInfo, Error, NetworkInfo, PeerInfo, Status, Version)  # noqa: E402
from ._records import from_broker, to_broker  # noqa: E402
from ._store import Store, StoreEvent, Watch  # noqa: E402
from ._subscribers import Publisher, SafeSubscriber, StatusSubscriber, Subscriber  # noqa: E402
from ._subscribers import make_topic as _make_topic, make_topics as _make_topics  # noqa: E402
from ._version import __version__  # noqa: E402

utc = _datetime.timezone.utc


class Message:
    """The base of messages in old programs."""

    def to_broker(self):
        """To be defined by classes that derive from this one."""
        assert False, "to_broker is missing in " + type(self).__name__


__all__ = ["APIFlags", "Address", "ArgumentError", "Backend", "BackendFailure", "BrokerError", "BrokerOptions", "ClosedError",
           "Configuration", "Count", "Data", "DataTypeError", "EC", "Endpoint", "EndpointInfo", "Enum", "Error", "Frontend",
           "ImmutableData", "InvalidDataError", "MasterExists", "Message", "NetworkInfo", "NoSuchKey", "NoSuchMaster", "OutcomeUnknown",
           "PeerError", "PeerFlags", "PeerIncompatible", "PeerInfo", "PeerInvalid", "PeerStatus", "PeerTimeout", "PeerUnavailable", "Port",
           "Publisher", "RequestTimeOut", "SC", "SafeSubscriber", "Set", "Status", "StatusSubscriber", "Store", "StoreError", "StoreEvent",
           "StoreStale", "Subnet", "Subscriber", "Table", "Timespan", "Timestamp", "Topic", "Vector", "Version", "WaitTimeout", "Watch",
           "connect", "connect_async", "from_broker", "now", "to_broker", "utc", "zeek"]
del _member
