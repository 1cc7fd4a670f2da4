"""Events to JSON and back. The only place that knows how an event looks as bytes."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from worker.contract.errors import DecodeError
from worker.contract.events import Event

#: The largest event in the log, in bytes. Writers cut tool results to stay below it.
MAX_EVENT_BYTES = 65_536

#: Name of the stream entry's only field.
ENTRY_FIELD = b"e"

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
#: What the number and the cursor add.
_NUMBER_BYTES = 64
_UNNUMBERED = b'"seq":0,"cursor":"",'
_HEADER = re.compile(
    rb'\{"type":"([a-z_]{1,64})","seq":([0-9]{1,16}),"cursor":"([0-9]{1,16}-[0-9a-f]{8})","terminal":(true|false),'
)


class Draft(NamedTuple):
    """An event before the log has numbered it: the script puts `seq` and `cursor` between the two halves."""

    head: bytes
    tail: bytes


class Header(NamedTuple):
    """What the relay needs to know of an event."""

    type: str
    seq: int
    cursor: str
    terminal: bool


def encode(value: Any) -> bytes:
    """Write an event, or any value of the contract, as JSON."""
    return _encoder.encode(value)


def encode_draft(event: Event) -> Draft:
    """Write an event that has no number yet, ready for the `append` script.

    Raises:
        ValueError: It has a number, or is larger than `MAX_EVENT_BYTES`: its writer should have cut it.
    """
    raw = _encode(event)
    head, mark, tail = raw.partition(_UNNUMBERED)
    if not mark:
        raise ValueError("only an event without a number can be appended")
    if len(raw) > MAX_EVENT_BYTES - _NUMBER_BYTES:
        raise ValueError(f"an event of {len(raw):,} bytes is too large")
    return Draft(head, tail)


def _encode(event: Event) -> bytes:
    try:
        return _encoder.encode(event)
    except UnicodeEncodeError:
        # Half a surrogate pair, from a file name or a model's cut-off JSON, is a text to Python and none to JSON.
        return _encoder.encode(msgspec.convert(_whole(msgspec.to_builtins(event)), Event))


def _whole(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case dict():
            return {_whole(name): _whole(item) for name, item in value.items()}
        case list():
            return [_whole(item) for item in value]
        case _:
            return value


def decode(raw: bytes) -> Event:
    """Read one event.

    Raises:
        DecodeError: Not an event of this version; `peek` may still read its header.
    """
    try:
        return _decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise DecodeError(f"not an event: {error}") from error


def peek(raw: bytes) -> Header:
    """Read an event's header without decoding the rest; works for types that this version does not know.

    Raises:
        DecodeError: The text does not begin as an event does.
    """
    match = _HEADER.match(raw)
    if match is None:
        raise DecodeError(f"not an event: {raw[:80]!r}")
    return Header(match[1].decode(), int(match[2]), match[3].decode(), match[4] == b"true")
