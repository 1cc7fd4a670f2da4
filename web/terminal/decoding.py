"""Events as they came, also those that are newer than this client."""

from __future__ import annotations

from typing import Any

import msgspec

from worker.contract import codec
from worker.contract.errors import DecodeError
from worker.contract.events import ROOT_CALL_ID, Event


class UnknownEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a type that this version does not know, or knows otherwise: shown plainly, rather than not at all."""

    type: str
    seq: int
    terminal: bool = False
    run_id: str = ""
    thread_id: str = ""
    attempt: int = 0
    agent_name: str = "agent"
    agent_call_id: str = ROOT_CALL_ID
    parent_call_id: str | None = None
    at: int = 0
    data: Any = None


AnyEvent = Event | UnknownEvent

_decoder = msgspec.json.Decoder(UnknownEvent)


def decode(raw: bytes) -> AnyEvent:
    """Read an event.

    Raises:
        DecodeError: It is none, of whatever version.
    """
    try:
        return codec.decode(raw)
    except DecodeError:
        try:
            return _decoder.decode(raw)
        except msgspec.DecodeError as error:
            raise DecodeError(f"not an event: {error}") from error
