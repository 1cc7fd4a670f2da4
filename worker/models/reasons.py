"""Finds, in the errors of the model's library, what a person may read: no key, no raw payload, not too long."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

from worker.agent.redaction import HIDDEN

_MAX_CHARACTERS = 300
# Keys of other people's accounts too: gateways quote the one that they use themselves.
_LOOKS_SECRET = re.compile(r"(?<=://)[^/@\s]+(?=@)|\b(?:sk|pk|key)-[\w*.-]{6,}|(?<=Bearer )\S+", re.IGNORECASE)

_OS_ERRORS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "the connection was reset",
    errno.EPIPE: "the connection was closed",
    errno.ETIMEDOUT: "no answer in time",
    errno.EHOSTUNREACH: "no way to that machine",
    errno.ENETUNREACH: "no network",
}


def provider_reason(body: object) -> str:
    """What the provider said is wrong, from the JSON of its error; empty when it said nothing of a known form."""
    while isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    if not isinstance(body, dict):
        return ""
    said = body.get("message") or body.get("detail") or body.get("error")
    return said if isinstance(said, str) else ""


def printable(text: str, redact: Callable[[str], str]) -> str:
    """One line, without known secrets or what looks like one, cut last so that no half of a secret is left."""
    line = _LOOKS_SECRET.sub(HIDDEN, redact(" ".join(text.split())))
    return line if len(line) <= _MAX_CHARACTERS else f"{line[:_MAX_CHARACTERS]}…"


def connection_reason(error: BaseException) -> str:
    """Why a connection failed, from the operating system's error underneath."""
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return "its name is not known"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "its certificate is not trusted"
        if isinstance(cause, ssl.SSLError):
            return "it does not speak https"
        if isinstance(cause, OSError) and cause.errno in _OS_ERRORS:
            return _OS_ERRORS[cause.errno]
    return "the connection was closed without an answer"


def _causes(error: BaseException) -> Iterator[BaseException]:
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        group: Any = current.exceptions if isinstance(current, BaseExceptionGroup) else ()
        waiting += [current.__cause__, current.__context__, *group]
