# SPDX-License-Identifier: Apache-2.0
"""Zeek's messages: events, and what else Zeek processes tell each other.

    ep.publish("/topic/test", broker.zeek.Event("ping", broker.Count(1)))

    topic, message = sub.get()
    event = broker.zeek.Event(message)
    if event.valid():
        print(event.name(), event.args())

All classes are made either from their parts or from one message that was received. A message that isn't of the kind doesn't raise an
exception then: valid() is False, and whatever looks into it raises ValueError.
"""

from datetime import datetime

from . import _native
from ._native import Count, Data, Enum, Timestamp

__all__ = ["Batch", "Event", "IdentifierUpdate", "LogCreate", "LogWrite", "Message", "MetadataType", "SafeEvent", "parse"]

_VERSION = Count(1)


class MetadataType:
    """What an entry in the metadata of an event is."""

    NetworkTimestamp = Count(1)
    UserMetadataStart = Count(200)


class Message:
    """What all of Zeek's messages have in common: a version, a number for the kind, and a content."""

    __slots__ = ("_data", "_whole", "_problem")

    _kind = Count(0)

    def _build(self, content):
        self._data = Data((_VERSION, self._kind, content))
        self._whole = self._problem = None

    def _parse(self, message):
        self._data = message if isinstance(message, Data) else Data(message)
        self._whole = self._problem = None

    def _look(self):
        """The content, if the message is valid; ValueError with what is wrong otherwise."""
        if self._whole is None:
            self._whole = _native.decode(self._data.to_bytes(), True)
            self._problem = self._check(self._whole)
        if self._problem:
            raise ValueError(self._problem)
        return self._whole[2]

    def _check(self, whole):
        name = type(self)._name
        if _kind_of(whole) != self._kind:
            return "invalid %s data/type" % name
        if whole[0] != _VERSION or type(whole[2]) is not tuple or not self._fits(whole[2]):
            return "invalid %s data" % name
        return None

    def valid(self):
        """Is it such a message, and well formed?"""
        try:
            self._look()
        except ValueError:
            return False
        return True

    def as_data(self):
        """The message as Data. Publishing takes the object itself as well."""
        return self._data

    def to_broker(self):
        """as_data."""
        return self._data

    def __broker_data__(self):
        return self._data

    def __eq__(self, other):
        return self._data == other._data if isinstance(other, Message) else NotImplemented

    def __hash__(self):
        return hash(self._data)

    def __getstate__(self):
        return self._data

    def __setstate__(self, data):
        self._parse(data)

    def __repr__(self):
        return "<%s %s>" % (type(self).__name__, self._data)


class Event(Message):
    """An event: Event(name, *args, metadata=None), or Event(message) with what a subscriber received.

    metadata is a dict, or an iterable of pairs, from numbers (MetadataType, or your own from UserMetadataStart on) to data.
    """

    __slots__ = ()
    _kind = Count(1)
    _name = "Event"

    def __init__(self, *args, metadata=None):
        if len(args) == 1 and not isinstance(args[0], str):
            self._parse(args[0])
            return
        name = args[0]
        if not isinstance(name, (str, bytes)):
            raise TypeError("the name of an event is a str, not %s" % type(name).__name__)
        if metadata is None:
            self._build((name, args[1:]))
        else:
            self._build((name, args[1:], _metadata(metadata)))

    @staticmethod
    def _fits(content):
        if len(content) < 2 or not _is_string(content[0]) or type(content[1]) is not tuple:
            return False
        if len(content) < 3:
            return True
        return type(content[2]) is tuple and all(map(_entry_fits, content[2]))

    def name(self):
        """The event's name."""
        return self._look()[0]

    def args(self):
        """The arguments, as a list."""
        return list(self._convert(self._look()[1]))

    def metadata(self):
        """The metadata, as a list of pairs (Count, value); None if there is none."""
        content = self._look()
        if len(content) < 3 or not content[2]:
            return None
        return [(key, self._convert(value)) for key, value in content[2]]

    @staticmethod
    def _convert(value):
        # As a Subscriber would: sets and dicts can be changed, and what can't be in a set raises TypeError.
        return _native.decode(_native.encode(value))


class SafeEvent(Event):
    """An Event whose arguments are immutable throughout. Sets of records that contain tables need it, as they need SafeSubscriber."""

    __slots__ = ()

    @staticmethod
    def _convert(value):
        return value


class LogCreate(Message):
    """The announcement of a log: LogCreate(stream, writer, writer_info, fields_data), or LogCreate(message)."""

    __slots__ = ()
    _kind = Count(2)
    _name = "LogCreate"

    def __init__(self, *args):
        if len(args) == 1:
            self._parse(args[0])
            return
        stream, writer, info, fields = args
        self._build((_enum(stream), _enum(writer), info, fields))

    @staticmethod
    def _fits(content):
        return len(content) >= 4 and type(content[0]) is Enum and type(content[1]) is Enum

    def stream(self):
        """The log stream, as Enum."""
        return self._look()[0]

    def writer(self):
        """The writer, as Enum."""
        return self._look()[1]

    def writer_info(self):
        """How the writer is set up; immutable."""
        return self._look()[2]

    def fields_data(self):
        """The columns; immutable."""
        return self._look()[3]


class LogWrite(Message):
    """A log record: LogWrite(stream, writer, path, serial_data), or LogWrite(message). serial_data is Zeek's own form of the record."""

    __slots__ = ()
    _kind = Count(3)
    _name = "LogWrite"

    def __init__(self, *args):
        if len(args) == 1:
            self._parse(args[0])
            return
        stream, writer, path, serial = args
        self._build((_enum(stream), _enum(writer), path, serial))

    @staticmethod
    def _fits(content):
        return len(content) >= 4 and type(content[0]) is Enum and type(content[1]) is Enum and all(map(_is_string, content[2:4]))

    def stream(self):
        """The log stream, as Enum."""
        return self._look()[0]

    def writer(self):
        """The writer, as Enum."""
        return self._look()[1]

    def path(self):
        """The log's path, such as conn."""
        return self._look()[2]

    def serial_data(self):
        """The record, as bytes."""
        serial = self._look()[3]
        return serial if isinstance(serial, bytes) else serial.encode()


class IdentifierUpdate(Message):
    """The new value of a global variable: IdentifierUpdate(name, value), or IdentifierUpdate(message)."""

    __slots__ = ()
    _kind = Count(4)
    _name = "IdentifierUpdate"

    def __init__(self, *args):
        if len(args) == 1:
            self._parse(args[0])
            return
        name, value = args
        if not isinstance(name, (str, bytes)):
            raise TypeError("the name of a variable is a str, not %s" % type(name).__name__)
        self._build((name, value))

    @staticmethod
    def _fits(content):
        return len(content) >= 2 and _is_string(content[0])

    def name(self):
        """The variable's name."""
        return self._look()[0]

    def value(self):
        """Its value."""
        return Event._convert(self._look()[1])


class Batch(Message):
    """Several messages in one: Batch([message, ...]) of objects of this module, or Batch(message) with what was received."""

    __slots__ = ()
    _kind = Count(5)
    _name = "Batch"

    def __init__(self, messages):
        if isinstance(messages, Data):
            self._parse(messages)
            return
        messages = tuple(messages)
        if messages and not all(isinstance(m, Message) for m in messages):
            self._parse(messages)
        else:
            self._build(messages)

    @staticmethod
    def _fits(content):
        return all(_of(m) is not None for m in content)

    def messages(self):
        """The messages, as objects of this module."""
        return [_of(m) for m in self._look()]


_KINDS = (Event, LogCreate, LogWrite, IdentifierUpdate, Batch)


def parse(message):
    """The object for a message that was received: an Event, LogCreate, LogWrite, IdentifierUpdate or Batch. None if it is none of them,
    or malformed."""
    d = message if isinstance(message, Data) else Data(message)
    return _of(_native.decode(d.to_bytes(), True))


def _of(whole):
    number = _kind_of(whole)
    if number is None or not 1 <= number.value <= len(_KINDS):
        return None
    kind = _KINDS[number.value - 1]
    made = kind.__new__(kind)
    made._parse(whole)
    return made if made.valid() else None


def _kind_of(whole):
    """The number for the kind of a message; None if it can't be one."""
    return whole[1] if type(whole) is tuple and len(whole) >= 3 and type(whole[1]) is Count else None


def _is_string(x):
    return type(x) is str or type(x) is bytes


def _entry_fits(entry):
    if type(entry) is not tuple or len(entry) != 2 or type(entry[0]) is not Count:
        return False
    return entry[0] != MetadataType.NetworkTimestamp or isinstance(entry[1], (datetime, Timestamp))


def _metadata(given):
    if isinstance(given, dict):
        given = given.items()
    return tuple((_key(pair[0]), pair[1]) for pair in given)


def _key(key):
    return key if isinstance(key, Count) else Count(key)


def _enum(name):
    return name if isinstance(name, Enum) else Enum(name)
