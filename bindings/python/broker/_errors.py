# SPDX-License-Identifier: Apache-2.0
"""The exceptions. All are RuntimeErrors, as those of the reference; those that mean what one of Python's own means are of that kind too."""

from ._enums import EC

__all__ = ["ArgumentError", "BackendFailure", "BrokerError", "ClosedError", "DataTypeError", "InvalidDataError", "MasterExists", "NoSuchKey", "NoSuchMaster",
           "OutcomeUnknown", "PeerError", "PeerIncompatible", "PeerInvalid", "PeerTimeout", "PeerUnavailable", "RequestTimeOut",
           "StoreError", "StoreStale", "WaitTimeout"]


class BrokerError(RuntimeError):
    """Something failed. code is the EC that says what, or None."""

    code = None

    def __str__(self):
        return str(self.args[0]) if len(self.args) == 1 else ", ".join(map(str, self.args))


class ClosedError(BrokerError):
    """The endpoint, store or subscriber is closed."""


class WaitTimeout(BrokerError, TimeoutError):
    """It was not over in the time given; it may still go on."""


class PeerError(BrokerError, ConnectionError):
    """A peering failed."""


class PeerIncompatible(PeerError):
    """The peer speaks no version of the protocol that is known here, or it isn't Broker at all."""

    code = EC.PeerIncompatible


class PeerInvalid(PeerError):
    """There is no such peering."""

    code = EC.PeerInvalid


class PeerUnavailable(PeerError):
    """Nobody could be reached at the address, or TLS failed."""

    code = EC.PeerUnavailable


class PeerTimeout(PeerError, TimeoutError):
    """The peer didn't answer in time."""

    code = EC.PeerTimeout


class StoreError(BrokerError):
    """An operation of a data store failed."""


class MasterExists(StoreError):
    """Another endpoint has the master of that name."""

    code = EC.MasterExists


class NoSuchMaster(StoreError):
    """There is no master of that name."""

    code = EC.NoSuchMaster


class NoSuchKey(StoreError, KeyError):
    """The store has no such key, or the value no such index."""

    code = EC.NoSuchKey


class RequestTimeOut(StoreError, TimeoutError):
    """The master didn't answer in time."""

    code = EC.RequestTimeOut


class DataTypeError(StoreError, TypeError):
    """The operation doesn't fit the type of the value."""

    code = EC.TypeClash


class InvalidDataError(StoreError, ValueError):
    """The data isn't what the operation needs."""

    code = EC.InvalidData


class BackendFailure(StoreError):
    """The backend of the master failed, its disk is full for instance."""

    code = EC.BackendFailure


class StoreStale(StoreError):
    """The clone has had no contact to its master for too long, or never."""

    code = EC.StaleData


class OutcomeUnknown(StoreError):
    """The master was lost while it carried out a write: nobody knows whether it did."""


class ArgumentError(BrokerError, ValueError):
    """An argument is not what it must be."""


_BY_CODE = {c.code.value: c for c in (PeerIncompatible, PeerInvalid, PeerUnavailable, PeerTimeout, MasterExists, NoSuchMaster, NoSuchKey,
                                      RequestTimeOut, DataTypeError, InvalidDataError, BackendFailure, StoreStale)}
_BY_CODE.update({-1: ClosedError, -2: WaitTimeout, -3: ArgumentError, -5: OutcomeUnknown})

for _class in (*_BY_CODE.values(), BrokerError, PeerError, StoreError):
    _class.__module__ = "broker"


def of(code, text):
    """The exception for a result of the C library: a code of Broker, or one of its own below zero."""
    error = _BY_CODE.get(code, BrokerError)(text or "error %d" % code)
    if code == 1:
        error.code = EC.Unspecified
    return error
