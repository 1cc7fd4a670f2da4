"""What a workspace can refuse; every message is written for the person or model that asked.

WorkspaceError
├── BadInput           a name, a column or a row that cannot be stored
├── LimitReached       more or larger than a workspace may hold
├── StoreUnavailable   the files cannot be read or written now
├── CacheBusy          another process is still building this user's cache
└── QueryError
    ├── QueryRefused   the statement is wrong, or does more than read
    └── QueryTooSlow   it took longer than it may
"""

from __future__ import annotations


class WorkspaceError(Exception):
    """Base class of what a workspace refuses."""


class BadInput(WorkspaceError):
    """Raised for a name, column or row that cannot be stored."""


class LimitReached(WorkspaceError):
    """Raised when something is larger, or more, than a workspace may hold."""


class StoreUnavailable(WorkspaceError):
    """Raised when the user's files cannot be read or written now; trying again may help."""


class CacheBusy(WorkspaceError):
    """Raised when another process did not finish building this user's cache in time."""


class QueryError(WorkspaceError):
    """Base class of what is wrong with a statement."""


class QueryRefused(QueryError):
    """Raised for a statement that is wrong, does more than read, or gives too much."""


class QueryTooSlow(QueryError):
    """Raised for a statement that took longer than it may."""
