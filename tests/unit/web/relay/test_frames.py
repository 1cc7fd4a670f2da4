"""Frames of a client, good and bad; wsproto is the second opinion on what is written."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol

from web.relay.frames import (
    Binary,
    Close,
    FrameDecoder,
    Incoming,
    Opcode,
    Ping,
    Pong,
    Text,
    Violation,
    close_frame,
    ping_frame,
    pong_frame,
    text_frame,
)

FRAME_BYTES = 1024
MESSAGE_BYTES = 4096
FRAGMENTS = 8
MASK = b"\x11\x22\x33\x44"


def decoder() -> FrameDecoder:
    return FrameDecoder(frame_bytes=FRAME_BYTES, message_bytes=MESSAGE_BYTES, fragments=FRAGMENTS)


def decode(data: bytes) -> list[Incoming]:
    return list(decoder().feed(data))


def client_frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bytes | None = MASK, bits: int = 0
) -> bytes:
    first = (0x80 if fin else 0) | bits | opcode
    flag = 0x80 if mask is not None else 0
    if len(payload) < 126:
        head = bytes((first, flag | len(payload)))
    elif len(payload) < 0x10000:
        head = bytes((first, flag | 126)) + len(payload).to_bytes(2, "big")
    else:
        head = bytes((first, flag | 127)) + len(payload).to_bytes(8, "big")
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def client_message(opcode: int, pieces: list[bytes]) -> list[bytes]:
    last = len(pieces) - 1
    return [
        client_frame(opcode if index == 0 else Opcode.CONTINUATION, piece, fin=index == last)
        for index, piece in enumerate(pieces)
    ]


def in_chunks(data: bytes, seed: int) -> list[bytes]:
    cuts = random.Random(seed)
    chunks = []
    while data:
        size = cuts.randint(1, 40)
        chunks.append(data[:size])
        data = data[size:]
    return chunks


@given(st.text(max_size=600), st.integers(1, FRAGMENTS), st.integers(), st.booleans())
def test_a_message_arrives_whole_however_it_is_cut(text: str, count: int, seed: int, with_pings: bool) -> None:
    payload = text.encode()[:MESSAGE_BYTES].decode(errors="ignore").encode()
    step = max(1, -(-len(payload) // count))
    frames = client_message(
        Opcode.TEXT, [payload[start : start + step] for start in range(0, len(payload), step)] or [b""]
    )
    ping = client_frame(Opcode.PING, b"p") if with_pings else b""
    reader = decoder()

    items = [item for chunk in in_chunks(ping.join(frames), seed) for item in reader.feed(chunk)]

    assert [item for item in items if not isinstance(item, Ping)] == [Text(payload.decode())]
    assert sum(isinstance(item, Ping) for item in items) == (len(frames) - 1 if with_pings else 0)


@given(st.binary(max_size=3000), st.integers())
def test_no_bytes_break_the_decoder_and_nothing_follows_an_end(data: bytes, seed: int) -> None:
    reader = decoder()

    items = [item for chunk in in_chunks(data, seed) for item in reader.feed(chunk)]

    assert not any(isinstance(item, Close | Violation) for item in items[:-1])
    assert items == decode(data)


@given(st.binary(max_size=70_000))
def test_what_is_written_is_read_alike_by_another_implementation(payload: bytes) -> None:
    text = payload.decode(errors="ignore").encode()
    other_side = FrameProtocol(client=True, extensions=[])

    other_side.receive_bytes(text_frame(text))

    received = list(other_side.received_frames())
    assert "".join(str(frame.payload) for frame in received) == text.decode()
    assert received[-1].message_finished


@pytest.mark.parametrize(
    ("frame", "opcode", "payload"),
    [
        (ping_frame(b"are you there"), Opcode.PING, b"are you there"),
        (pong_frame(b"yes"), Opcode.PONG, b"yes"),
    ],
)
def test_control_frames_are_read_alike_by_another_implementation(frame: bytes, opcode: Opcode, payload: bytes) -> None:
    other_side = FrameProtocol(client=True, extensions=[])

    other_side.receive_bytes(frame)

    (received,) = other_side.received_frames()
    assert int(received.opcode) == opcode
    assert received.payload == payload


def test_a_close_reason_that_does_not_fit_is_cut_at_a_character() -> None:
    other_side = FrameProtocol(client=True, extensions=[])

    other_side.receive_bytes(close_frame(1012, "ü" * 100))

    (received,) = other_side.received_frames()
    assert received.payload == (1012, "ü" * 61)


def test_a_binary_message_is_told_apart_from_text() -> None:
    assert decode(client_frame(Opcode.BINARY, b"\x00\xff")) == [Binary(b"\x00\xff")]


def test_a_pong_is_passed_on() -> None:
    assert decode(client_frame(Opcode.PONG, b"hi")) == [Pong(b"hi")]


def test_a_character_may_be_cut_between_fragments() -> None:
    frames = client_message(Opcode.TEXT, [b"\xc3", b"\xbc"])

    assert decode(b"".join(frames)) == [Text("ü")]


@pytest.mark.parametrize(
    ("frame", "code", "reason"),
    [
        (client_frame(Opcode.TEXT, b"x", mask=None), 1002, "frame without a mask"),
        (client_frame(Opcode.TEXT, b"x", bits=0x40), 1002, "reserved bit set"),
        (client_frame(Opcode.TEXT, b"x", bits=0x20), 1002, "reserved bit set"),
        (client_frame(Opcode.TEXT, b"x", bits=0x10), 1002, "reserved bit set"),
        (client_frame(0x3, b"x"), 1002, "unknown opcode"),
        (client_frame(0xB, b"x"), 1002, "unknown opcode"),
        (client_frame(Opcode.PING, b"x", fin=False), 1002, "control frame in fragments"),
        (client_frame(Opcode.PING, b"x" * 126), 1002, "control frame longer than 125 bytes"),
        (client_frame(Opcode.CONTINUATION, b"x"), 1002, "continuation without a message"),
        (client_frame(Opcode.TEXT, b"x", fin=False) * 2, 1002, "new message inside another"),
        (b"\x81\xfe\x00\x05" + MASK + b"12345", 1002, "length not in its shortest form"),
        (b"\x81\xff" + bytes(6) + b"\x00\x80" + MASK, 1002, "length not in its shortest form"),
        (b"\x81\xff\x80" + bytes(7) + MASK, 1002, "negative length"),
        (client_frame(Opcode.CLOSE, b"\x03"), 1002, "close code of one byte"),
        (client_frame(Opcode.CLOSE, b"\x03\xed"), 1002, "close code 1005"),
        (client_frame(Opcode.CLOSE, b"\x13\x88"), 1002, "close code 5000"),
        (client_frame(Opcode.CLOSE, b"\x03\xe8\xff"), 1007, "not UTF-8"),
        (client_frame(Opcode.TEXT, b"\xed\xa0\x80"), 1007, "not UTF-8"),
        (client_frame(Opcode.TEXT, b"\xc0\xaf"), 1007, "not UTF-8"),
        (client_frame(Opcode.TEXT, b"x" * (FRAME_BYTES + 1)), 1009, "frame larger than 1024 bytes"),
        (
            client_frame(Opcode.TEXT, b"", fin=False) + client_frame(0, b"", fin=False) * 8,
            1009,
            "message in more than 8 fragments",
        ),
    ],
)
def test_a_frame_against_the_rules_is_a_violation_with_its_close_code(frame: bytes, code: int, reason: str) -> None:
    assert decode(frame) == [Violation(code, reason)]


def test_a_message_that_grows_too_large_is_refused_before_it_ends() -> None:
    piece = b"x" * FRAME_BYTES
    frames = client_message(Opcode.TEXT, [piece] * 6)

    assert decode(b"".join(frames[:5])) == [Violation(1009, "message larger than 4096 bytes")]


def test_a_frame_that_is_too_large_is_refused_before_its_payload_has_come() -> None:
    head = client_frame(Opcode.TEXT, b"x" * 100_000)[:14]

    assert decode(head) == [Violation(1009, "frame larger than 1024 bytes")]


def test_an_empty_close_has_no_status() -> None:
    assert decode(client_frame(Opcode.CLOSE)) == [Close(1005, "")]


def test_a_close_is_the_last_thing_that_is_read() -> None:
    data = client_frame(Opcode.CLOSE, b"\x03\xe8bye") + client_frame(Opcode.TEXT, b"more")

    assert decode(data) == [Close(1000, "bye")]


def test_what_came_before_a_violation_still_counts() -> None:
    data = client_frame(Opcode.TEXT, b"first") + client_frame(Opcode.TEXT, b"x", mask=None)

    assert decode(data) == [Text("first"), Violation(1002, "frame without a mask")]
