"""Errors of the relay.

RelayError
├── MalformedMessage      the browser sent something that is not an operation
├── HistoryUnavailable    Redis did not answer
│   └── RunMissing        Redis has no record of a run that it had
└── BusRefused            Redis refused the subscriber connection
"""

from __future__ import annotations


class RelayError(Exception):
    """Base class of the relay's errors."""


class MalformedMessage(RelayError):
    """Raised when a text from the browser is not an operation."""


class HistoryUnavailable(RelayError):
    """Raised when Redis did not answer a read or take an ack; trying again may help."""


class RunMissing(HistoryUnavailable):
    """Raised when the record of a run is gone. It says nothing about the log: the run may come back, or be given up."""


class BusRefused(RelayError):
    """Raised when Redis refuses the subscriber connection, for its password for instance."""
