"""A cursor: a place in a run's log that proves itself.

`"<seq>-<tag>"`, where `tag` is random per event. After a rollback of the log (a failover, a cut append-only file) the
same `seq` may hold another event; the tag then differs and the reader gets a `reset` instead of a story spliced from
two.
"""

from __future__ import annotations

import re
import secrets
from typing import NamedTuple

from worker.contract.errors import CursorError

_CURSOR = re.compile(r"(0|[1-9][0-9]{0,15})(?:-([0-9a-f]{8}))?")


class Cursor(NamedTuple):
    """Position after the event `seq`; 0 is the beginning. An empty `tag` is a bare number, which proves nothing."""

    seq: int
    tag: str = ""

    def __str__(self) -> str:
        return f"{self.seq}-{self.tag}" if self.tag else str(self.seq)


BEGINNING = Cursor(0)


def parse_cursor(text: str | int) -> Cursor:
    """Read a cursor, or a bare event number.

    Raises:
        CursorError: It is neither.
    """
    match = _CURSOR.fullmatch(str(text)) if not isinstance(text, bool) else None
    if match is None:
        raise CursorError(f"not a cursor: {str(text)[:40]!r}")
    return Cursor(int(match[1]), match[2] or "")


def new_tag() -> str:
    """32 random bits: a fork is missed once in four thousand million resumes."""
    return secrets.token_hex(4)
