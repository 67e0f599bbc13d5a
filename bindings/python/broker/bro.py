# SPDX-License-Identifier: Apache-2.0
"""The old name of broker.zeek: Event still works, and says so once for each place where it is used."""

import linecache
import sys

from . import zeek

__all__ = ["Event"]

_told = set()


class Event(zeek.Event):
    """zeek.Event, with one notice on standard error for each place that makes one."""

    __slots__ = ()

    def __init__(self, *args, metadata=None):
        caller = sys._getframe(1)
        place = caller.f_code.co_filename, caller.f_lineno
        if place not in _told:
            _told.add(place)
            line = linecache.getline(*place, caller.f_globals).strip()
            print("%s:%d: deprecated bro.event usage, use zeek.Event instead\n    %s" % (place + (line,)), file=sys.stderr)
        super().__init__(*args, metadata=metadata)
