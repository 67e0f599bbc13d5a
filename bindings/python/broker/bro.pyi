# SPDX-License-Identifier: Apache-2.0
from typing import Any, Iterable, List, Mapping, Tuple, Union

from . import zeek

__all__: List[str]

class Event(zeek.Event):
    def __init__(self, *args: Any, metadata: Union[Mapping[Any, Any], Iterable[Tuple[Any, Any]], None] = None) -> None: ...
