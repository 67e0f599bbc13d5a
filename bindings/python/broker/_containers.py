# SPDX-License-Identifier: Apache-2.0
"""Topics, containers of data, and the containers that can't be changed."""

import bisect
from collections.abc import MutableMapping, MutableSequence

from . import _native
from ._native import Data

__all__ = ["HashableReadOnlyDict", "ImmutableData", "Set", "Table", "Topic", "Vector"]


def data(x):
    """x as Data."""
    return x if isinstance(x, Data) else Data(x)


class Topic:
    """A topic. The parts of its text are joined by slashes: Topic("/a") / Topic("b") is /a/b.

    Two topics are never equal, as in the reference; compare their texts.
    """

    __slots__ = ("_text", "__weakref__")

    def __init__(self, text=""):
        if not isinstance(text, str):
            raise TypeError("a topic is made from a str, not from %s" % type(text).__name__)
        self._text = text

    def string(self):
        """The text."""
        return self._text

    def __repr__(self):
        return self._text

    def _join(self, other):
        right = other.string() if isinstance(other, Topic) else other
        if not isinstance(right, str):
            return None
        slash = "" if not self._text or right.startswith("/") else "/"
        joined = self._text + slash + right
        return joined[:-1] if joined.endswith("/") else joined

    def __truediv__(self, other):
        joined = self._join(other)
        return NotImplemented if joined is None else Topic(joined)

    def __itruediv__(self, other):
        joined = self._join(other)
        if joined is None:
            return NotImplemented
        self._text = joined
        return self

    def __getstate__(self):
        return self._text

    def __setstate__(self, text):
        self._text = text


class Set:
    """A set of Data, in ascending order. What is added becomes Data."""

    __slots__ = ("_items",)
    __hash__ = None

    def __init__(self, items=()):
        self._items = []
        for x in items:
            self.add(x)

    def _find(self, x):
        at = bisect.bisect_left(self._items, x)
        return at, at < len(self._items) and self._items[at] == x

    def add(self, x):
        """Add an element, unless it is there."""
        x = data(x)
        at, found = self._find(x)
        if not found:
            self._items.insert(at, x)

    def remove(self, x):
        """Take an element out; KeyError if it isn't there."""
        at, found = self._find(data(x))
        if not found:
            raise KeyError(x)
        del self._items[at]

    def clear(self):
        """Take all out."""
        self._items.clear()

    def __contains__(self, x):
        return self._find(data(x))[1]

    def __iter__(self):
        return iter(self._items)

    def __len__(self):
        return len(self._items)

    def __eq__(self, other):
        return self._items == other._items if isinstance(other, Set) else NotImplemented

    def __repr__(self):
        return "Set{%s}" % ", ".join(map(str, self._items))

    def __copy__(self):
        return type(self)(self)

    def __broker_data__(self):
        return frozenset(self._items)


class Vector(MutableSequence):
    """A list of Data. What is put in becomes Data."""

    __slots__ = ("_items",)
    __hash__ = None

    def __init__(self, items=()):
        self._items = [data(x) for x in items]

    def __getitem__(self, at):
        found = self._items[at]
        return Vector(found) if isinstance(at, slice) else found

    def __setitem__(self, at, x):
        self._items[at] = [data(y) for y in x] if isinstance(at, slice) else data(x)

    def __delitem__(self, at):
        del self._items[at]

    def __len__(self):
        return len(self._items)

    def __iter__(self):
        return iter(self._items)

    def __contains__(self, x):
        return data(x) in self._items

    def insert(self, at, x):
        """Put an element before the one at that place."""
        self._items.insert(at, data(x))

    def __eq__(self, other):
        return self._items == other._items if isinstance(other, Vector) else NotImplemented

    def __repr__(self):
        return "Vector[%s]" % ", ".join(map(str, self._items))

    def __copy__(self):
        return type(self)(self)

    def __broker_data__(self):
        return self._items


class Table(MutableMapping):
    """A dict from Data to Data, in ascending order of the keys. What is put in becomes Data."""

    __slots__ = ("_keys", "_values")
    __hash__ = None

    def __init__(self, items=()):
        self._keys, self._values = [], {}
        self.update(items)

    def __getitem__(self, key):
        return self._values[data(key)]

    def __setitem__(self, key, value):
        key = data(key)
        value = data(value)
        if key not in self._values:
            bisect.insort(self._keys, key)
        self._values[key] = value

    def __delitem__(self, key):
        key = data(key)
        del self._values[key]
        del self._keys[bisect.bisect_left(self._keys, key)]

    def __contains__(self, key):
        return data(key) in self._values

    def __iter__(self):
        return iter(self._keys)

    def __len__(self):
        return len(self._keys)

    def __eq__(self, other):
        return self._values == other._values if isinstance(other, Table) else NotImplemented

    def __repr__(self):
        return "Table{%s}" % ", ".join("%s: %s" % (k, self._values[k]) for k in self._keys)

    def __copy__(self):
        return type(self)(self)

    def __broker_data__(self):
        return self._values


class HashableReadOnlyDict(dict):
    """A dict that can't be changed, and so has a hash."""

    __slots__ = ()

    def _refuse(self, *args, **kwargs):
        """Not possible: the dict can't be changed."""
        raise TypeError("cannot modify this dict")

    __setitem__ = __delitem__ = __ior__ = _refuse
    pop = popitem = clear = update = setdefault = _refuse

    def __hash__(self):
        return hash(frozenset(self.items()))

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        return HashableReadOnlyDict, (dict(self),)


class ImmutableData(Data):
    """Data whose to_py gives values that can't be changed and can be members of sets: frozenset, HashableReadOnlyDict, tuple."""

    HashableReadOnlyDict = HashableReadOnlyDict

    @staticmethod
    def to_py(data):
        """The Python value of Data, of immutable types throughout."""
        return _native.decode((data if isinstance(data, Data) else Data(data)).to_bytes(), True)


for _class in (HashableReadOnlyDict, ImmutableData, Set, Table, Topic, Vector):
    _class.__module__ = "broker"
HashableReadOnlyDict.__qualname__ = "ImmutableData.HashableReadOnlyDict"
