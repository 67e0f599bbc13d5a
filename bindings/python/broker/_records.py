# SPDX-License-Identifier: Apache-2.0
"""Dataclasses as records: a vector of their fields, in order, as Zeek sends its records."""

import collections.abc
import dataclasses
import datetime
import enum
import ipaddress
import typing

from . import _native
from ._native import Count, Data, Enum, Port

__all__ = ["from_broker", "to_broker"]


def to_broker(value):
    """The value with its dataclasses replaced by tuples of their fields, ready to publish or store.

    An int becomes a Count or a float where a field is declared so (or as Optional[Count], List[Count], ...). Members of an enum.Enum
    become Enum: by their values if these are text, else by their names.
    """
    return _out(value, type(value), "value")


def from_broker(cls, value):
    """Make a value of a class, of a dataclass above all, from what was received; TypeError says which field doesn't fit.

    Fields are converted as they are declared: a tuple becomes a list or another dataclass, a Count an int, text a member of an
    enum.Enum. A table with the names of the fields as keys serves as well as a vector. Fields that are missing at the end of a vector, or
    in a table, take their defaults.
    """
    if isinstance(value, Data):
        value = _native.decode(value.to_bytes())
    return _in(value, cls, "value")


def _hints(cls):
    return typing.get_type_hints(cls)


# ---- out

def _out(value, hint, path):
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hints = _hints(type(value))
        return tuple(_out(getattr(value, f.name), hints[f.name], "%s.%s" % (path, f.name)) for f in dataclasses.fields(value))
    if isinstance(value, enum.Enum) and not isinstance(value, (str, int)):
        return Enum(value.value if isinstance(value.value, str) else value.name)
    if type(value) is int:
        return _number(value, hint, path)
    args = _arguments(hint, value)
    if isinstance(value, (list, tuple)):
        return tuple(_out(x, _element(args, i), "%s[%d]" % (path, i)) for i, x in enumerate(value))
    if isinstance(value, (set, frozenset)):
        return frozenset(_out(x, _element(args, 0), "%s{%r}" % (path, x)) for x in value)
    if isinstance(value, dict):
        key, item = args if len(args) == 2 else (object, object)
        return {_out(k, key, path + " key"): _out(v, item, "%s[%r]" % (path, k)) for k, v in value.items()}
    return value


def _number(value, hint, path):
    wanted = typing.get_args(hint) if _is_union(hint) else (hint,)
    if int in wanted:
        return value
    try:
        return Count(value) if Count in wanted else float(value) if float in wanted else value
    except (OverflowError, SystemError):
        raise OverflowError("%s: %d is out of range" % (path, value)) from None


def _arguments(hint, value):
    """What the elements of a container are declared as."""
    if _is_union(hint):
        for option in typing.get_args(hint):
            origin = typing.get_origin(option)
            if origin is not None and isinstance(value, origin):
                return typing.get_args(option)
        return ()
    return typing.get_args(hint)


def _is_union(hint):
    # X | Y has a type of its own since Python 3.10.
    return typing.get_origin(hint) is typing.Union or type(hint).__name__ == "UnionType"


def _element(args, i):
    if len(args) == 2 and args[1] is Ellipsis:
        return args[0]
    if len(args) == 1:
        return args[0]
    return args[i] if i < len(args) else object


# ---- in

def _in(value, hint, path):
    if hint in (typing.Any, object) or isinstance(hint, typing.TypeVar):
        return value
    if hint is None or hint is type(None):
        return _only(value, value is None, "None", path)
    if _is_union(hint):
        return _in_union(value, hint, path)
    if typing.get_origin(hint) is not None:
        return _in_container(value, typing.get_origin(hint), typing.get_args(hint), path)
    if hint in (list, set, frozenset, dict, tuple):
        return _in_container(value, hint, (), path)
    if dataclasses.is_dataclass(hint):
        return _in_dataclass(value, hint, path)
    return _in_plain(value, hint, path)


def _in_union(value, hint, path):
    # First what the value is already: None, or a type that fits without a conversion.
    options = typing.get_args(hint)
    for option in options:
        if isinstance(option, type) and type(value) is option:
            return value
    for option in options:
        try:
            return _in(value, option, path)
        except TypeError:
            continue
    raise _mismatch(value, " or ".join(_text(o) for o in options), path)


def _in_container(value, origin, args, path):
    if origin in (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.MutableSequence):
        _only(value, isinstance(value, (tuple, list)), "a vector", path)
        return [_in(x, _element(args, 0) if args else object, "%s[%d]" % (path, i)) for i, x in enumerate(value)]
    if origin is tuple:
        _only(value, isinstance(value, (tuple, list)), "a vector", path)
        if args and not (len(args) == 2 and args[1] is Ellipsis) and len(args) != len(value):
            raise TypeError("%s: a vector of %d is needed, not of %d" % (path, len(args), len(value)))
        return tuple(_in(x, _element(args, i), "%s[%d]" % (path, i)) for i, x in enumerate(value))
    if origin in (set, frozenset, collections.abc.Set, collections.abc.MutableSet):
        _only(value, isinstance(value, (set, frozenset)), "a set", path)
        made = frozenset if origin is frozenset else set
        return made(_in(x, args[0] if args else object, "%s{%r}" % (path, x)) for x in value)
    if origin in (dict, collections.abc.Mapping, collections.abc.MutableMapping):
        _only(value, isinstance(value, dict), "a table", path)
        key, item = args or (object, object)
        return {_in(k, key, path + " key"): _in(v, item, "%s[%r]" % (path, k)) for k, v in value.items()}
    if hasattr(origin, "__mro__"):
        return _in(value, origin, path)
    return _in(value, args[0], path) if args else value


def _in_dataclass(value, cls, path):
    fields = [f for f in dataclasses.fields(cls) if f.init]
    hints = _hints(cls)
    if isinstance(value, dict):
        given = {f.name: value[f.name] for f in fields if f.name in value}
        extra = [k for k in value if k not in given]
    else:
        _only(value, isinstance(value, (tuple, list)), "a vector or table for %s" % cls.__name__, path)
        given = {f.name: x for f, x in zip(fields, value)}
        extra = value[len(fields):]
    if extra:
        raise TypeError("%s: %s has no field for %r" % (path, cls.__name__, extra[0]))
    for f in fields:
        if f.name not in given and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise TypeError("%s: field %s of %s is missing" % (path, f.name, cls.__name__))
    return cls(**{name: _in(x, hints[name], "%s.%s" % (path, name)) for name, x in given.items()})


def _in_plain(value, hint, path):
    if not isinstance(hint, type):
        return value
    if issubclass(hint, enum.Enum):
        return _in_enum(value, hint, path)
    if type(value) is hint or isinstance(value, hint) and type(value) is not bool:
        return value
    convert = _CONVERSIONS.get((hint, type(value)))
    if convert is None:
        raise _mismatch(value, _text(hint), path)
    try:
        return convert(value)
    except (OverflowError, SystemError):
        raise TypeError("%s: %r is out of range for %s" % (path, value, _text(hint))) from None


def _in_enum(value, cls, path):
    text = value.name if isinstance(value, Enum) else value
    if isinstance(text, Count):
        text = text.value
    if isinstance(text, str) and text in cls.__members__:
        return cls[text]
    try:
        return cls(text)
    except ValueError:
        raise _mismatch(value, "a member of " + cls.__name__, path) from None


_CONVERSIONS = {
    (int, Count): lambda v: v.value,
    (Count, int): Count,
    (float, int): float,
    (float, Count): lambda v: float(v.value),
    (float, datetime.timedelta): lambda v: v.total_seconds(),
    (float, datetime.datetime): lambda v: v.timestamp(),
    (bytes, str): str.encode,
    (str, Enum): lambda v: v.name,
    (Enum, str): Enum,
    (str, ipaddress.IPv4Address): str,
    (str, ipaddress.IPv6Address): str,
    (str, ipaddress.IPv4Network): str,
    (str, ipaddress.IPv6Network): str,
    (str, Port): repr,
    (int, Port): lambda v: v.number(),
}


def _only(value, fits, what, path):
    if not fits:
        raise _mismatch(value, what, path)
    return value


def _mismatch(value, wanted, path):
    return TypeError("%s: %s is needed, not %r" % (path, wanted, value))


def _text(hint):
    return getattr(hint, "__name__", None) or str(hint)
