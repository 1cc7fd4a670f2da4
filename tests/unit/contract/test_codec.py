from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from worker.contract.codec import Header, decode, encode, encode_draft, peek
from worker.contract.errors import DecodeError
from worker.contract.events import (
    EVENT_TYPES,
    AgentCompleted,
    AgentCompletedData,
    Event,
    PartialResult,
    PartialResultData,
    Usage,
)

GOLDEN = Path(__file__).resolve().parents[2] / "fixtures" / "events"

ENVELOPE: dict[str, Any] = {
    "run_id": "run_1",
    "thread_id": "thr_1",
    "attempt": 1,
    "agent_name": "triage",
    "agent_call_id": "a1",
    "parent_call_id": None,
    "at": 1_700_000_000_000,
}


def partial(text: str) -> PartialResult:
    return PartialResult(**ENVELOPE, data=PartialResultData(message_id="a1.m1", text=text))


def numbered(event: Event, seq: int, tag: str) -> bytes:
    """What the `append` script makes of a draft."""
    draft = encode_draft(event)
    return draft.head + f'"seq":{seq},"cursor":"{seq}-{tag}",'.encode() + draft.tail


@pytest.mark.parametrize("text", ["hello", "", '"seq":0,"cursor":"",', "ö\u2028\u0000\U0001f600", '}{"type":"x"'])
def test_an_event_numbered_by_the_log_is_read_back(text: str) -> None:
    event = decode(numbered(partial(text), 12, "0a1b2c3d"))

    assert event == msgspec.structs.replace(partial(text), seq=12, cursor="12-0a1b2c3d")


def test_the_header_is_read_without_the_rest() -> None:
    usage = Usage(input_tokens=1)
    data = AgentCompletedData(result="x", duration_ms=1, usage=usage)
    last = AgentCompleted(**ENVELOPE, terminal=True, data=data)

    assert peek(numbered(last, 3, "0a1b2c3d")) == Header("agent_completed", 3, "3-0a1b2c3d", terminal=True)


def test_the_header_of_a_type_from_a_newer_writer_is_read() -> None:
    raw = b'{"type":"agent_dreamt","seq":5,"cursor":"5-0a1b2c3d","terminal":false,"dream":[]}'

    assert peek(raw) == Header("agent_dreamt", 5, "5-0a1b2c3d", terminal=False)
    with pytest.raises(DecodeError):
        decode(raw)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"seq":1,"type":"x"}', b"\xff\xfe", b'{"type":"agent_started"'])
def test_what_is_no_event_is_refused(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(raw)
    with pytest.raises(DecodeError):
        peek(raw)


def test_an_event_that_has_a_number_cannot_be_appended_again() -> None:
    with pytest.raises(ValueError, match="without a number"):
        encode_draft(msgspec.structs.replace(partial("x"), seq=1, cursor="1-0a1b2c3d"))


def test_unknown_fields_of_a_newer_writer_are_passed_over() -> None:
    raw = numbered(partial("x"), 1, "0a1b2c3d").replace(b'"attempt":1', b'"attempt":1,"mood":"good"')

    assert decode(raw).attempt == 1


def test_every_type_of_the_union_is_listed_once() -> None:
    assert list(EVENT_TYPES.values()) == list(Event.__args__)
    assert [json_type(cls) for cls in EVENT_TYPES.values()] == list(EVENT_TYPES)


def json_type(cls: type[Any]) -> str:
    return str(cls.__struct_config__.tag)


def test_values_of_the_contract_are_written_as_json() -> None:
    assert encode({"usage": Usage(tool_calls=2)}).startswith(b'{"usage":{"input_tokens":0')


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_every_stored_story_is_still_read_and_written_the_same(path: Path) -> None:
    """These files are the contract's memory: a change here is a change for every log that exists."""
    for stored in msgspec.json.decode(path.read_bytes()):
        if stored["type"] in EVENT_TYPES:
            assert msgspec.json.decode(encode(decode(encode(stored)))) == stored
