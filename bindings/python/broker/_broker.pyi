# SPDX-License-Identifier: Apache-2.0
from typing import Any, Dict, List, Optional

from . import APIFlags as APIFlags, Address as Address, Backend as Backend, BrokerOptions as BrokerOptions, Configuration as Configuration
from . import Count as Count, Data as Data, EC as EC, EndpointInfo as EndpointInfo, Enum as Enum, Error as Error, Frontend as Frontend
from . import NetworkInfo as NetworkInfo, PeerFlags as PeerFlags, PeerInfo as PeerInfo, PeerStatus as PeerStatus, Port as Port
from . import Publisher as Publisher, SC as SC, Set as Set, Status as Status, StatusSubscriber as StatusSubscriber, Store as Store
from . import Subnet as Subnet, Subscriber as Subscriber, Table as Table, Timespan as Timespan, Timestamp as Timestamp, Topic as Topic
from . import Vector as Vector, Version as Version, now as now

__all__: List[str]

class Endpoint:
    def __init__(self, options: Dict[str, Any]) -> None: ...
    def publish(self, *args: Any) -> None: ...

Blocking: APIFlags
NonBlocking: APIFlags
Master: Frontend
Clone: Frontend
Memory: Backend
SQLite: Backend
VectorTopic = list
VectorPairTopicData = list
VectorPeerInfo = list
VectorStatusSubscriberValueType = list
MapBackendOptions = dict

class _Optional:
    def is_set(self) -> bool: ...
    def get(self) -> Any: ...

OptionalSubscriberBaseValueType = _Optional
OptionalNetworkInfo = _Optional
OptionalTimespan = _Optional

class _Expected:
    def __init__(self, value: Any = None, error: Optional[Error] = None) -> None: ...
    def is_valid(self) -> bool: ...
    def get(self) -> Any: ...
    def error(self) -> Optional[Error]: ...

class ExpectedData(_Expected): ...
class ExpectedStore(_Expected): ...

def Infinite() -> Timespan: ...
