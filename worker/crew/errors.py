"""Errors of the crew's tools; the message is shown to the agent that called.

CrewError
├── BadRequest      arguments that fit the signature and yet make no sense
├── PageRefused     an address that must not be fetched
└── PageUnavailable a page that cannot be had
"""

from __future__ import annotations


class CrewError(Exception):
    """Base class of what the crew's tools raise."""


class BadRequest(CrewError):
    """Raised for arguments that fit the signature and yet make no sense."""


class PageRefused(CrewError):
    """Raised for an address that must not be fetched."""


class PageUnavailable(CrewError):
    """Raised for a page that cannot be had: no answer, an error status, too large, no text."""
