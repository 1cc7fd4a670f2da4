"""What a webhook says of an outcome that nobody has seen, and how it is signed. Rules without I/O.

Signed as the Standard Webhooks specification has it, so that receivers can check it with a library.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from worker.contract import codec
from worker.contract.events import Failure
from worker.contract.run import RunRecord

OUTCOME_UNSEEN = "run.outcome_unseen"

#: With the waits below: a receiver may restart, or be away for some hours of a night.
MAX_TRIES = 8
_FIRST_WAIT_SECONDS = 5.0
#: At most 5 s, 20 s, 80 s … 5.7 h: seven waits, 7.6 h together.
_WAIT_GROWTH = 4.0


class Message(NamedTuple):
    """One webhook, the same at every try."""

    #: By this a receiver knows what it has had already.
    message_id: str
    body: bytes


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a run ended. Never the answer: whoever may read it reads it here."""

    run_id: str
    thread_id: str
    user_id: str
    agent: str
    state: str
    #: Unix milliseconds.
    ended_at: int
    attempt: int
    #: Of a run that failed.
    error: Failure | None = None


def outcome_message(record: RunRecord, error: Failure | None) -> Message:
    """Tell of a finished run."""
    outcome = Outcome(
        run_id=record.run_id,
        thread_id=record.thread_id,
        user_id=record.user_id,
        agent=record.agent,
        state=record.state,
        ended_at=record.ended_at,
        attempt=record.attempt,
        error=error,
    )
    ended_at = datetime.fromtimestamp(record.ended_at / 1000, UTC).isoformat(timespec="milliseconds")
    body = {"type": OUTCOME_UNSEEN, "timestamp": ended_at.replace("+00:00", "Z"), "data": outcome}
    return Message(f"unseen_{record.run_id}", codec.encode(body))


def signed_headers(message: Message, key: bytes, *, now: int) -> dict[str, str]:
    """Give the headers of one try; `now` is Unix time in seconds."""
    return {
        "content-type": "application/json",
        "webhook-id": message.message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": sign(message, key, now=now),
    }


def sign(message: Message, key: bytes, *, now: int) -> str:
    """Sign what is sent and when, so that neither can be changed and nothing old be sent again."""
    signed = b".".join([message.message_id.encode(), str(now).encode(), message.body])
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def wait_seconds(tries: int, *, random: Callable[[], float]) -> float:
    """Say how long to wait after so many failed tries: longer each time, spread so that they do not come together.

    Args:
        random: gives a number from 0 to 1.
    """
    return _FIRST_WAIT_SECONDS * _WAIT_GROWTH ** (tries - 1) * (0.5 + 0.5 * random())
