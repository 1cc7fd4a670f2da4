from __future__ import annotations

import json

import pytest

from web.relay.errors import MalformedMessage
from web.relay.messages import (
    CLOSE_CODES,
    Ack,
    Bye,
    CloseCode,
    Error,
    Heartbeat,
    Operation,
    Pong,
    Reset,
    Subscribe,
    Unsubscribe,
    encode_control,
    parse_operation,
)

RUN = "run_" + "0" * 32


@pytest.mark.parametrize(
    ("message", "operation"),
    [
        ({"op": "subscribe", "run_id": RUN, "after": 0}, Subscribe(RUN, 0)),
        ({"op": "subscribe", "run_id": RUN, "after": "7-0123abcd"}, Subscribe(RUN, "7-0123abcd")),
        ({"op": "subscribe", "run_id": RUN}, Subscribe(RUN, 0)),
        ({"op": "unsubscribe", "run_id": RUN}, Unsubscribe(RUN)),
        ({"op": "ack", "run_id": RUN, "seq": 3}, Ack(RUN, 3)),
        ({"op": "pong"}, Pong()),
        ({"op": "pong", "later": "added"}, Pong()),
    ],
)
def test_an_operation_is_read(message: object, operation: Operation) -> None:
    assert parse_operation(json.dumps(message)) == operation


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[]",
        "null",
        "{}",
        '{"op":"dance"}',
        '{"op":"subscribe"}',
        '{"op":"subscribe","run_id":""}',
        '{"op":"subscribe","run_id":"a}:run"}',
        '{"op":"subscribe","run_id":"' + "a" * 65 + '"}',
        '{"op":"subscribe","run_id":"r","after":1.5}',
        '{"op":"subscribe","run_id":"r","after":null}',
        '{"op":"subscribe","run_id":"r","after":"' + "1" * 65 + '"}',
        '{"op":"ack","run_id":"r","seq":-1}',
        '{"op":"ack","run_id":"r","seq":true}',
        '{"op":"pong"} trailing',
        "[" * 100_000,
    ],
)
def test_anything_else_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_operation(text)


def test_control_frames_are_objects_with_op() -> None:
    assert json.loads(encode_control(Bye(1500))) == {"op": "bye", "retry_ms": 1500}
    assert json.loads(encode_control(Heartbeat({RUN: 4}))) == {"op": "heartbeat", "top": {RUN: 4}}
    reset = {"op": "reset", "run_id": RUN, "reason": "forked", "cursor": "0"}
    assert json.loads(encode_control(Reset(RUN, "forked", "0"))) == reset


def test_an_error_without_a_run_does_not_name_one() -> None:
    assert "run_id" not in json.loads(encode_control(Error("too_many", "Too many.")))


def test_every_close_code_has_words_and_a_verdict() -> None:
    assert set(CLOSE_CODES) == set(CloseCode)
    stops = {code for code, closing in CLOSE_CODES.items() if not closing.resumes}
    assert stops == {1000, 1008, 1009, 4400, 4403, 4404}
