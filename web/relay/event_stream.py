"""A run as Server-Sent Events, for clients without WebSockets: the same feed, written as an HTTP response.

The response is delimited by the end of the connection. `id:` is the cursor, so a client that comes back with
`Last-Event-ID` goes on where it was.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import msgspec

from web.relay.follower import Follower
from web.relay.hub import Hub
from web.relay.limits import RelayLimits
from web.relay.messages import CloseCode, ResetReason
from web.relay.outlet import Outlet
from web.relay.ring import Batch, LoggedEvent
from web.relay.roster import Roster

logger = logging.getLogger(__name__)

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: text/event-stream\r\n"
    b"Cache-Control: no-store\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
    b"Connection: close\r\n"
    # nginx would collect the events instead of passing them on.
    b"X-Accel-Buffering: no\r\n"
    b"\r\n"
)
#: Tells an EventSource not to connect again (HTML standard, 9.2.3): it has seen the run's last event.
_NOTHING_MORE = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"

_SIGN_IN_ENDED = b'event: sign_in\ndata: {"message":"Sign in again."}\n\n'


class _Refusal(NamedTuple):
    status: str
    code: str
    message: str


_NOT_FOUND = _Refusal("404 Not Found", "not_found", "There is no such run.")
_REFUSALS: dict[CloseCode, _Refusal] = {
    CloseCode.RESTARTING: _Refusal("503 Service Unavailable", "restarting", "The server is restarting."),
    CloseCode.SIGN_IN: _Refusal("401 Unauthorized", "sign_in", "Sign in first."),
    CloseCode.OVERLOADED: _Refusal("503 Service Unavailable", "overloaded", "The server is full."),
    CloseCode.TOO_MANY: _Refusal("429 Too Many Requests", "too_many", "Too many connections."),
}


class EventStream(Outlet):
    """One request for a run's events, taken over before any byte of its response."""

    kind = "event_stream"

    def __init__(
        self,
        hub: Hub,
        roster: Roster,
        limits: RelayLimits,
        *,
        user_id: str | None,
        run_id: str,
        after: str | int,
        expires_at: int = 0,
    ) -> None:
        super().__init__(limits, beat_seconds=limits.comment_seconds, expires_at=expires_at)
        self._hub = hub
        self._roster = roster
        self._user_id = user_id
        self._run_id = run_id
        self._after = after
        self._follower: Follower | None = None
        self._has_head = False
        #: How it ended, as close codes say it; nothing but the connection's end says it to the client.
        self._code = "none"

    def on_open(self) -> None:
        if (refusal := self._roster.enter(self, self._user_id)) is not None:
            self._hub.counts.refused(refusal.name.lower())
            self._code = str(int(refusal))
            self._answer(_REFUSALS[refusal])
            return
        self._follower = self._hub.follow(self._run_id, user_id=self._user_id, after=self._after, sink=self)
        self._follower.start()

    def eof_received(self) -> bool:
        """The client is gone, or will not read on."""
        return False

    def say_goodbye(self, retry_ms: int) -> None:
        """Send what there still is, ask the client to come back after `retry_ms`, and end the response."""
        self._end_with(b"retry: %d\n\n" % retry_ms, CloseCode.RESTARTING)

    def end_sign_in(self) -> None:
        """Send what there still is, and end the response; who comes back without a new sign-in gets a 401."""
        self._end_with(_SIGN_IN_ENDED, CloseCode.SIGN_IN)

    def on_writable(self) -> None:
        if self._follower is not None:
            self._follower.pump()

    def on_beat(self) -> None:
        if self._has_head:
            self.write(b":\n\n")

    def on_stalled(self) -> None:
        logger.warning("event stream too slow", extra={"action": "event_stream_stalled", "run_id": self._run_id})
        self._code = str(int(CloseCode.TOO_SLOW))
        # No word would reach it. It comes back with its cursor.
        self.abort()

    def on_closed(self) -> None:
        if self._follower is not None:
            self._follower.close()
        self._roster.leave(self)
        self._hub.counts.closed(self.kind, self._code)
        events = self._follower.sent if self._follower is not None else 0
        facts = {"action": "event_stream_closed", "run_id": self._run_id, "events": events}
        logger.info("event stream closed", extra=facts)

    def send_begin(self, run_id: str, top: int) -> None:
        """Nothing is said: whether there is anything to send decides on the status."""

    def send_batch(self, batch: Batch) -> None:
        self._send(b"".join(map(_write_event, batch.events)))

    def send_restart(self, run_id: str, reason: ResetReason, cursor: str) -> None:
        data = msgspec.json.encode({"run_id": run_id, "reason": reason, "cursor": cursor})
        self._send(b"event: reset\nid: %s\ndata: %s\n\n" % (cursor.encode(), data))

    def send_caught_up(self, run_id: str, *, is_over: bool) -> None:
        if not is_over:
            self._send(b"")

    def refuse(self, run_id: str) -> None:
        self._code = str(int(CloseCode.NOT_FOUND))
        self._answer(_NOT_FOUND)

    def lose(self, run_id: str) -> None:
        self._code = str(int(CloseCode.DONE))
        self._send(b"event: gone\ndata: %s\n\n" % msgspec.json.encode({"run_id": run_id}))
        self.finish()

    def end(self, run_id: str) -> None:
        self._code = str(int(CloseCode.DONE))
        self.finish(b"" if self._has_head else _NOTHING_MORE)

    def _end_with(self, last: bytes, reason: CloseCode) -> None:
        if self._follower is not None:
            self._follower.pump()
            self._follower.close()
        if self._code == "none":
            self._code = str(int(reason))
        if self._has_head:
            self.finish(last)
        else:
            self._answer(_REFUSALS[reason])

    def _send(self, text: bytes) -> None:
        if not self._has_head:
            self._has_head = True
            text = _STREAM_HEAD + text
        self.write(text)

    def _answer(self, refusal: _Refusal) -> None:
        body = msgspec.json.encode({"error": {"code": refusal.code, "message": refusal.message, "detail": None}})
        head = f"HTTP/1.1 {refusal.status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.finish(f"{head}Connection: close\r\n\r\n".encode() + body)


def _write_event(event: LoggedEvent) -> bytes:
    return b"id: %s\ndata: %s\n\n" % (event.cursor.encode(), event.payload)
