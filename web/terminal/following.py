"""The place of a reader in a run's log: which events are news, and from where to ask again. No I/O.

The rules are those of docs/protocol.md, "What a client must do": an event counts only if its number is the last one
plus 1; what has been read already is passed over; a hole means asking again from the cursor.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from worker.contract import codec
from worker.contract.cursor import Cursor, parse_cursor
from worker.contract.errors import CursorError, DecodeError


class News(NamedTuple):
    """The next event, as it came."""

    raw: bytes
    terminal: bool


class Restart(NamedTuple):
    """What was read is void; the whole story follows, from behind the cursor."""

    reason: str
    cursor: str


class Hole(NamedTuple):
    """Something is missing: ask again from the cursor."""


class Gone(NamedTuple):
    """The server has lost the run."""


class SignedOut(NamedTuple):
    """The sign-in has ended."""


Move = News | Restart | Hole | Gone | SignedOut


class Place:
    """Where a reader is. Nothing moves it but events in order, and a reset.

    Args:
        after: Cursor or event number behind which to begin; 0 is the beginning.
    """

    def __init__(self, after: Cursor) -> None:
        self._cursor = after

    @property
    def cursor(self) -> str:
        """To go on from here."""
        return str(self._cursor)

    def receive(self, name: str, data: str) -> Move | None:
        """Take one message of an event stream; None is nothing new.

        Args:
            name: The message's `event`; "message" when it has none.
        """
        match name:
            case "message":
                return self._event(data.encode()) if data else None
            case "reset":
                return self._reset(data)
            case "gone":
                return Gone()
            case "sign_in":
                return SignedOut()
            case _:
                return None

    def _event(self, raw: bytes) -> Move | None:
        try:
            header = codec.peek(raw)
            cursor = parse_cursor(header.cursor)
        except (CursorError, DecodeError):
            return Hole()
        if cursor.seq <= self._cursor.seq:
            return None
        if cursor.seq > self._cursor.seq + 1:
            return Hole()
        self._cursor = cursor
        return News(raw, header.terminal)

    def _reset(self, data: str) -> Move:
        try:
            reset = msgspec.json.decode(data, type=_Reset)
            self._cursor = parse_cursor(reset.cursor)
        except (CursorError, msgspec.DecodeError):
            reset, self._cursor = _Reset(), Cursor(0)
        return Restart(reset.reason, self.cursor)


class _Reset(msgspec.Struct, frozen=True):
    reason: str = ""
    cursor: str = "0"
