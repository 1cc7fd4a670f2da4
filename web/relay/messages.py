"""What is said over a socket: the browser's operations, the relay's control frames, and the close codes.

An event goes out exactly as the log holds it: an object with `type`. Everything here is an object with `op`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Literal, NamedTuple

import msgspec

from web.relay.errors import MalformedMessage

#: A run id goes into Redis keys: nothing that could leave the hash tag.
RUN_ID_PATTERN = r"^[0-9A-Za-z_-]{1,64}$"

RunId = Annotated[str, msgspec.Meta(pattern=RUN_ID_PATTERN)]
ResetReason = Literal["ahead", "forked", "trimmed", "unreadable"]
ErrorCode = Literal["gone", "not_found", "too_many"]


class Subscribe(msgspec.Struct, frozen=True, tag_field="op", tag="subscribe"):
    """Follow a run; for a run that is followed already, start again at `after`."""

    run_id: RunId
    #: A cursor, an event number, or 0 for the beginning.
    after: Annotated[str, msgspec.Meta(max_length=64)] | int = 0


class Unsubscribe(msgspec.Struct, frozen=True, tag_field="op", tag="unsubscribe"):
    run_id: RunId


class Ack(msgspec.Struct, frozen=True, tag_field="op", tag="ack"):
    """The person has been shown the run up to `seq`."""

    run_id: RunId
    seq: Annotated[int, msgspec.Meta(ge=0)]


class Pong(msgspec.Struct, frozen=True, tag_field="op", tag="pong"):
    """The answer to a heartbeat."""


Operation = Subscribe | Unsubscribe | Ack | Pong


class Subscribed(msgspec.Struct, frozen=True, tag_field="op", tag="subscribed"):
    """The run may be seen; `top` is its highest event number now."""

    run_id: str
    top: int


class Live(msgspec.Struct, frozen=True, tag_field="op", tag="live"):
    """The history has been sent; what follows happens now. Sent once per subscribe, for a finished run too."""

    run_id: str


class Reset(msgspec.Struct, frozen=True, tag_field="op", tag="reset"):
    """Forget the run: your cursor does not prove itself. What follows is the story after `cursor`.

    `cursor` is "0", the beginning, unless the beginning itself is no longer kept.
    """

    run_id: str
    reason: ResetReason
    cursor: str


class Heartbeat(msgspec.Struct, frozen=True, tag_field="op", tag="heartbeat"):
    """The link is alive; `top` holds the highest event number of every run that this socket follows."""

    top: dict[str, int]


class Bye(msgspec.Struct, frozen=True, tag_field="op", tag="bye"):
    """The process stops: come back after `retry_ms`."""

    retry_ms: int


class Error(msgspec.Struct, frozen=True, tag_field="op", tag="error", omit_defaults=True):
    """A run was refused, or is no longer followed; the socket and its other runs go on."""

    code: ErrorCode
    message: str
    run_id: str | None = None


ControlFrame = Subscribed | Live | Reset | Heartbeat | Bye | Error

OPERATIONS: tuple[type[Operation], ...] = (Subscribe, Unsubscribe, Ack, Pong)
CONTROL_FRAMES: tuple[type[ControlFrame], ...] = (Subscribed, Live, Reset, Heartbeat, Bye, Error)


class CloseCode(IntEnum):
    DONE = 1000
    PROTOCOL_ERROR = 1002
    INVALID_TEXT = 1007
    POLICY = 1008
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    RESTARTING = 1012
    OVERLOADED = 1013
    MALFORMED = 4400
    SIGN_IN = 4401
    FORBIDDEN = 4403
    NOT_FOUND = 4404
    TOO_SLOW = 4408
    TOO_MANY = 4429


class Closing(NamedTuple):
    """What a close code means, and whether the client connects again."""

    words: str
    resumes: bool


CLOSE_CODES: dict[CloseCode, Closing] = {
    CloseCode.DONE: Closing("done", resumes=False),
    CloseCode.PROTOCOL_ERROR: Closing("protocol error", resumes=True),
    CloseCode.INVALID_TEXT: Closing("text is not UTF-8", resumes=True),
    CloseCode.POLICY: Closing("policy", resumes=False),
    CloseCode.TOO_BIG: Closing("too big", resumes=False),
    CloseCode.INTERNAL_ERROR: Closing("internal error", resumes=True),
    CloseCode.RESTARTING: Closing("restarting, resume after retry_ms", resumes=True),
    CloseCode.OVERLOADED: Closing("overloaded", resumes=True),
    CloseCode.MALFORMED: Closing("malformed frame", resumes=False),
    CloseCode.SIGN_IN: Closing("sign in again", resumes=True),
    CloseCode.FORBIDDEN: Closing("forbidden", resumes=False),
    CloseCode.NOT_FOUND: Closing("no such run", resumes=False),
    CloseCode.TOO_SLOW: Closing("too slow, resume", resumes=True),
    CloseCode.TOO_MANY: Closing("too many", resumes=True),
}

_decoder: msgspec.json.Decoder[Operation] = msgspec.json.Decoder(Operation)
_encoder = msgspec.json.Encoder()


def parse_operation(text: str) -> Operation:
    """Read what a browser sent.

    Raises:
        MalformedMessage: Not JSON, or not an operation; says what was wrong.
    """
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedMessage(str(error)) from error


def encode_control(frame: ControlFrame) -> bytes:
    """Write a control frame as JSON."""
    return _encoder.encode(frame)
