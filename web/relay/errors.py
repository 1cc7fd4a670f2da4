"""Errors of the relay.

RelayError
├── MalformedMessage      the browser sent something that is not an operation
├── HistoryUnavailable    Redis did not answer a read
└── BusRefused            Redis refused the subscriber connection
"""

from __future__ import annotations


class RelayError(Exception):
    """Base class of the relay's errors."""


class MalformedMessage(RelayError):
    """Raised when a text from the browser is not an operation."""


class HistoryUnavailable(RelayError):
    """Raised when a read of a run's record or log failed; trying again may help."""


class BusRefused(RelayError):
    """Raised when Redis refuses the subscriber connection, for its password for instance."""
