"""Reads a run's log a page at a time, for callers that ask by HTTP. Events pass as the bytes that the log holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from redis import Redis

from worker.contract import codec, keys
from worker.contract.cursor import BEGINNING, Cursor
from worker.contract.errors import DecodeError
from worker.contract.events import ToolCompleted
from worker.contract.run import RunRecord

#: Events of one page; about what a whole run has.
PAGE_EVENTS = 500
#: An event may have 64 KB; a page stops after the event that reaches this.
_PAGE_BYTES = 1024 * 1024
_READ_EVENTS = 100


class EventPage(NamedTuple):
    events: list[bytes]
    #: Highest event number in the log.
    last_seq: int
    #: True when the log goes on after this page.
    more: bool
    #: True when the cursor did not prove itself, so that the page starts from the beginning.
    reset: bool


class EventHistory:
    """Blocks for its reads: some of a page's events at a time."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def page(self, record: RunRecord, after: Cursor) -> EventPage:
        """Read the events after a cursor."""
        reset = not self._proves_itself(record, after)
        events: list[bytes] = []
        size = 0
        last_seq = 0
        for raw in self._events(record.run_id, BEGINNING if reset else after):
            events.append(raw)
            size += len(raw)
            last_seq = codec.peek(raw).seq
            if len(events) == PAGE_EVENTS or size >= _PAGE_BYTES:
                break
        top = max(record.last_seq, last_seq)
        return EventPage(events, top, more=bool(events) and last_seq < top, reset=reset)

    def tool_result(self, run_id: str, call_id: str) -> bytes | None:
        """Give the whole result of a tool call as JSON; None when the call has none (yet)."""
        stored: Any = self._client.get(keys.tool_result(run_id, call_id))
        if stored is not None:
            return bytes(stored)
        for raw in self._events(run_id, BEGINNING):
            completed = _completion(raw, call_id)
            if completed is not None:
                has_result = completed.data.status == "ok" and not completed.data.truncated
                return codec.encode(completed.data.result) if has_result else None
        return None

    def _proves_itself(self, record: RunRecord, after: Cursor) -> bool:
        """Whether the log still holds what the reader has seen, and all that comes after it."""
        if after == BEGINNING:
            return True
        if after.seq > record.last_seq:
            return False
        # The event itself must be there: where one was trimmed, later ones may have been as well.
        entries: Any = self._client.xrange(keys.log(record.run_id), min=f"{after.seq}-0", max=f"{after.seq}-0")
        if not entries:
            return False
        return not after.tag or codec.peek(entries[0][1][codec.ENTRY_FIELD]).cursor == str(after)

    def _events(self, run_id: str, after: Cursor) -> Iterator[bytes]:
        start = f"({after.seq}-0"
        while True:
            entries: Any = self._client.xrange(keys.log(run_id), min=start, count=_READ_EVENTS)
            for _, fields in entries:
                yield fields[codec.ENTRY_FIELD]
            if len(entries) < _READ_EVENTS:
                return
            start = f"({entries[-1][0].decode()}"


def _completion(raw: bytes, call_id: str) -> ToolCompleted | None:
    """The event, when it completes this call. A type of a newer writer is passed over."""
    if codec.peek(raw).type != "tool_completed":
        return None
    try:
        event = codec.decode(raw)
    except DecodeError:
        return None
    return event if isinstance(event, ToolCompleted) and event.data.call_id == call_id else None
