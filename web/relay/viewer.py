"""A browser's WebSocket: frames in, operations carried out; events out. One socket follows many runs."""

from __future__ import annotations

import logging
import time

from web.relay import frames
from web.relay.backoff import between
from web.relay.errors import MalformedMessage
from web.relay.follower import Follower
from web.relay.hub import Hub
from web.relay.limits import RelayLimits
from web.relay.messages import (
    CLOSE_CODES,
    Ack,
    Bye,
    CloseCode,
    ControlFrame,
    Error,
    ErrorCode,
    Heartbeat,
    Live,
    Pong,
    Reset,
    ResetReason,
    Subscribe,
    Subscribed,
    Unsubscribe,
    encode_control,
    parse_operation,
)
from web.relay.outlet import Outlet
from web.relay.rate import TokenBucket
from web.relay.receipts import Reader, Receipts
from web.relay.ring import Batch
from web.relay.roster import Roster

logger = logging.getLogger(__name__)

_ERROR_WORDS: dict[ErrorCode, str] = {
    "gone": "The server has lost this run.",
    "not_found": "There is no such run.",
    "too_many": "This connection follows too many runs.",
}


class Viewer(Outlet):
    """One socket after its handshake. `leftover` are bytes that were read from it together with the handshake."""

    kind = "socket"

    def __init__(
        self,
        hub: Hub,
        roster: Roster,
        receipts: Receipts,
        limits: RelayLimits,
        *,
        user_id: str | None,
        viewer_id: str,
        leftover: bytes,
        expires_at: int = 0,
    ) -> None:
        super().__init__(limits, beat_seconds=limits.heartbeat_seconds, expires_at=expires_at)
        self._hub = hub
        self._roster = roster
        self._receipts = receipts
        self._user_id = user_id
        self._viewer_id = viewer_id
        self._leftover = leftover
        self._followers: dict[str, Follower] = {}
        #: Runs whose last event has been sent, the newest last: a person is shown it, and acks it, after that.
        self._ended: dict[str, None] = {}
        self._inbound = TokenBucket(rate=limits.inbound_rate, burst=limits.inbound_burst, now=time.monotonic())
        self._decoder = frames.FrameDecoder(
            frame_bytes=limits.frame_bytes, message_bytes=limits.message_bytes, fragments=limits.fragments
        )
        self._close_code = 0
        self._sent = 0
        self._shown = 0

    def on_open(self) -> None:
        refusal = self._roster.enter(self, self._user_id)
        if refusal is not None:
            self._hub.counts.refused(refusal.name.lower())
        if refusal is CloseCode.RESTARTING:
            self.say_goodbye(int(between(0, self._limits.return_seconds) * 1000))
        elif refusal is not None:
            self.close(refusal)
        elif self._leftover:
            leftover, self._leftover = self._leftover, b""
            self.data_received(leftover)

    def data_received(self, data: bytes) -> None:
        if self.is_finished:
            return
        try:
            for item in self._decoder.feed(data):
                self._accept(item)
                if self.is_finished:
                    return
        except Exception:
            # A defect of ours must not take the other viewers' event loop with it.
            logger.exception("viewer failed", extra={"action": "viewer_failed"})
            self.close(CloseCode.INTERNAL_ERROR)

    def eof_received(self) -> bool:
        """The peer sends no more: nothing is left to say to it."""
        return False

    def close(self, code: CloseCode, reason: str = "") -> None:
        """Close with a code; the followers end at once."""
        self._finish(code, frames.close_frame(code, reason or CLOSE_CODES[code].words))

    def say_goodbye(self, retry_ms: int) -> None:
        """Send what there still is, ask the browser to come back after `retry_ms`, and close."""
        for follower in tuple(self._followers.values()):
            follower.pump()
        self._send(Bye(retry_ms))
        self.close(CloseCode.RESTARTING)

    def end_sign_in(self) -> None:
        """Send what there still is, and ask to sign in again."""
        for follower in tuple(self._followers.values()):
            follower.pump()
        self.close(CloseCode.SIGN_IN)

    def on_writable(self) -> None:
        for follower in tuple(self._followers.values()):
            follower.pump()

    def on_beat(self) -> None:
        self._send(Heartbeat({run_id: follower.top for run_id, follower in self._followers.items()}))

    def on_stalled(self) -> None:
        logger.warning("viewer too slow", extra={"action": "viewer_stalled", "runs": len(self._followers)})
        self.close(CloseCode.TOO_SLOW)

    def on_closed(self) -> None:
        self._drop_followers()
        self._roster.leave(self)
        self._hub.counts.closed(self.kind, _label(self._close_code))
        facts = {"action": "viewer_closed", "code": self._close_code, "events": self._sent, "shown": self._shown}
        logger.info("viewer closed", extra=facts)

    def send_begin(self, run_id: str, top: int) -> None:
        self._send(Subscribed(run_id, top))

    def send_batch(self, batch: Batch) -> None:
        self.write(batch.frame)

    def send_restart(self, run_id: str, reason: ResetReason, cursor: str) -> None:
        self._send(Reset(run_id, reason, cursor))

    def send_caught_up(self, run_id: str, *, is_over: bool) -> None:
        self._send(Live(run_id))

    def refuse(self, run_id: str) -> None:
        self._remove(run_id)
        self._send_error("not_found", run_id)

    def lose(self, run_id: str) -> None:
        self._remove(run_id)
        self._send_error("gone", run_id)

    def end(self, run_id: str) -> None:
        self._remove(run_id)
        self._ended[run_id] = None
        if len(self._ended) > self._limits.subscriptions_per_socket:
            del self._ended[next(iter(self._ended))]

    def _accept(self, item: frames.Incoming) -> None:
        if not self._inbound.take(time.monotonic()):
            self.close(CloseCode.TOO_MANY, f"more than {self._limits.inbound_rate:g} messages per second")
            return
        match item:
            case frames.Text(text):
                self._accept_text(text)
            case frames.Ping(payload):
                self.write(frames.pong_frame(payload))
            case frames.Pong():
                pass
            case frames.Binary():
                self.close(CloseCode.MALFORMED, "not a text message")
            case frames.Close(code, _):
                self._finish(code, frames.close_frame(CloseCode.DONE))
            case frames.Violation(code, reason):
                self.close(CloseCode(code), reason)

    def _accept_text(self, text: str) -> None:
        try:
            operation = parse_operation(text)
        except MalformedMessage as error:
            self.close(CloseCode.MALFORMED, str(error))
            return
        match operation:
            case Subscribe(run_id, after):
                self._subscribe(run_id, after)
            case Unsubscribe(run_id):
                self._remove(run_id)
                self._ended.pop(run_id, None)
            case Ack(run_id, seq):
                self._acknowledge(run_id, seq)
            case Pong():
                pass

    def _subscribe(self, run_id: str, after: str | int) -> None:
        self._remove(run_id)
        if len(self._followers) >= self._limits.subscriptions_per_socket:
            self._send_error("too_many", run_id)
            return
        follower = self._hub.follow(run_id, user_id=self._user_id, after=after, sink=self)
        self._followers[run_id] = follower
        follower.start()

    def _acknowledge(self, run_id: str, seq: int) -> None:
        """Note what a person was shown. Whether the run is theirs may not be known yet: the store looks as well."""
        if self._user_id is not None and (run_id in self._followers or run_id in self._ended):
            self._shown += 1
            self._receipts.note(Reader(self._user_id, self._viewer_id), run_id, seq)

    def _remove(self, run_id: str) -> None:
        if follower := self._followers.pop(run_id, None):
            follower.close()
            self._sent += follower.sent

    def _drop_followers(self) -> None:
        for run_id in tuple(self._followers):
            self._remove(run_id)

    def _send(self, frame: ControlFrame) -> None:
        self.write(frames.text_frame(encode_control(frame)))

    def _send_error(self, code: ErrorCode, run_id: str) -> None:
        self._send(Error(code, _ERROR_WORDS[code], run_id))

    def _finish(self, code: int, frame: bytes) -> None:
        self._close_code = self._close_code or code
        self._drop_followers()
        self.finish(frame)


def _label(code: int) -> str:
    """A peer may close with any code, or with none."""
    if not code:
        return "none"
    return str(code) if code in CLOSE_CODES else "other"
