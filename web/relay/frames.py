"""WebSocket frames of a server (RFC 6455): bytes in, messages out. No socket, no clock.

No extension is ever negotiated, so the reserved bits must be 0. permessage-deflate is left out on purpose: one
compressed frame of 398 KiB can cost over 1 GiB, and compressing secrets beside an attacker's text tells him about them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

#: Largest payload of a close, ping or pong frame (section 5.5).
MAX_CONTROL_BYTES = 125

_FIN = 0x80
_RESERVED = 0x70
_OPCODE = 0x0F
_MASKED = 0x80
_LENGTH = 0x7F
_LENGTH_16 = 126
_LENGTH_64 = 127
_MASK_BYTES = 4


class Opcode(IntEnum):
    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class Text(NamedTuple):
    """A whole text message."""

    text: str


class Binary(NamedTuple):
    """A whole binary message."""

    payload: bytes


class Ping(NamedTuple):
    """To be answered with a pong of the same payload."""

    payload: bytes


class Pong(NamedTuple):
    payload: bytes


class Close(NamedTuple):
    """The peer closes. `code` is 1005 when it gave none (section 7.1.5); nothing follows."""

    code: int
    reason: str


class Violation(NamedTuple):
    """The peer broke the protocol: close with `code`. Nothing follows."""

    code: int
    reason: str


Incoming = Text | Binary | Ping | Pong | Close | Violation

PROTOCOL_ERROR = 1002
NO_STATUS = 1005
INVALID_TEXT = 1007
TOO_BIG = 1009

#: Close codes that a peer may send (section 7.4): those of the standard and its registry, and 3000 to 4999.
_SENDABLE_STANDARD = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


class _Header(NamedTuple):
    is_final: bool
    opcode: Opcode
    #: Bytes before the payload, the mask included.
    size: int
    length: int


class _Broken(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.violation = Violation(code, reason)


class FrameDecoder:
    """Reads what a client sends. After a `Close` or a `Violation` it reads nothing more."""

    def __init__(self, *, frame_bytes: int, message_bytes: int, fragments: int) -> None:
        self._frame_bytes = frame_bytes
        self._message_bytes = message_bytes
        self._max_fragments = fragments
        self._buffer = bytearray()
        self._fragments: list[bytes] = []
        self._message_opcode: Opcode | None = None
        self._is_over = False

    def feed(self, chunk: bytes) -> Iterator[Incoming]:
        """Take bytes as they came and give what they complete, in order; keeps at most one unfinished message."""
        if self._is_over:
            return
        self._buffer += chunk
        try:
            while (frame := self._next_frame()) is not None:
                item = self._accept(*frame)
                if item is not None:
                    self._is_over = isinstance(item, Close)
                    yield item
                if self._is_over:
                    return
        except _Broken as broken:
            self._is_over = True
            yield broken.violation

    def _next_frame(self) -> tuple[_Header, bytes] | None:
        header = self._read_header()
        if header is None or len(self._buffer) < header.size + header.length:
            return None
        mask = self._buffer[header.size - _MASK_BYTES : header.size]
        payload = unmask(self._buffer[header.size : header.size + header.length], mask)
        del self._buffer[: header.size + header.length]
        return header, payload

    def _read_header(self) -> _Header | None:
        """Read a header as soon as it is whole, so that a bad frame is refused before its payload has come."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        opcode = _check_first_bytes(buffer[0], buffer[1])
        length = buffer[1] & _LENGTH
        size = 2
        if length >= _LENGTH_16:
            size = 4 if length == _LENGTH_16 else 10
            if len(buffer) < size:
                return None
            length = _extended_length(bytes(buffer[2:size]))
        if opcode >= Opcode.CLOSE and length > MAX_CONTROL_BYTES:
            raise _Broken(PROTOCOL_ERROR, "control frame longer than 125 bytes")
        if length > self._frame_bytes:
            raise _Broken(TOO_BIG, f"frame larger than {self._frame_bytes} bytes")
        return _Header(bool(buffer[0] & _FIN), opcode, size + _MASK_BYTES, length)

    def _accept(self, header: _Header, payload: bytes) -> Incoming | None:
        match header.opcode:
            case Opcode.PING:
                return Ping(payload)
            case Opcode.PONG:
                return Pong(payload)
            case Opcode.CLOSE:
                return _read_close(payload)
            case _:
                return self._accept_data(header, payload)

    def _accept_data(self, header: _Header, payload: bytes) -> Incoming | None:
        if header.opcode is Opcode.CONTINUATION:
            if self._message_opcode is None:
                raise _Broken(PROTOCOL_ERROR, "continuation without a message")
        elif self._message_opcode is not None:
            raise _Broken(PROTOCOL_ERROR, "new message inside another")
        else:
            self._message_opcode = header.opcode
        self._fragments.append(payload)
        self._check_message_size()
        return self._finish_message() if header.is_final else None

    def _check_message_size(self) -> None:
        if sum(map(len, self._fragments)) > self._message_bytes:
            raise _Broken(TOO_BIG, f"message larger than {self._message_bytes} bytes")
        if len(self._fragments) > self._max_fragments:
            raise _Broken(TOO_BIG, f"message in more than {self._max_fragments} fragments")

    def _finish_message(self) -> Incoming:
        payload = b"".join(self._fragments)
        opcode, self._message_opcode = self._message_opcode, None
        self._fragments.clear()
        if opcode is Opcode.BINARY:
            return Binary(payload)
        return Text(_decode_utf8(payload))


def text_frame(payload: bytes) -> bytes:
    """Write a whole text message as one frame; `payload` must be UTF-8."""
    return _header(Opcode.TEXT, len(payload)) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Write a close frame; a reason that does not fit is cut at a character."""
    text = reason.encode()[: MAX_CONTROL_BYTES - 2].decode(errors="ignore").encode()
    return _header(Opcode.CLOSE, 2 + len(text)) + struct.pack("!H", code) + text


def ping_frame(payload: bytes = b"") -> bytes:
    """Write a ping; `payload` has at most 125 bytes."""
    return _header(Opcode.PING, len(payload)) + payload


def pong_frame(payload: bytes) -> bytes:
    """Write the answer to a ping; `payload` has at most 125 bytes."""
    return _header(Opcode.PONG, len(payload)) + payload


def unmask(payload: bytes | bytearray, mask: bytes | bytearray) -> bytes:
    """Apply a mask of 4 bytes (section 5.3), as one operation on a large integer: no loop per byte."""
    length = len(payload)
    repeated = (bytes(mask) * (length // _MASK_BYTES + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(length, "big")


def _check_first_bytes(first: int, second: int) -> Opcode:
    if first & _RESERVED:
        raise _Broken(PROTOCOL_ERROR, "reserved bit set")
    try:
        opcode = Opcode(first & _OPCODE)
    except ValueError as error:
        raise _Broken(PROTOCOL_ERROR, "unknown opcode") from error
    if opcode >= Opcode.CLOSE and not first & _FIN:
        raise _Broken(PROTOCOL_ERROR, "control frame in fragments")
    # An unmasked client frame could be made to look like HTTP to a proxy in between (section 10.3).
    if not second & _MASKED:
        raise _Broken(PROTOCOL_ERROR, "frame without a mask")
    return opcode


def _extended_length(field: bytes) -> int:
    length = int.from_bytes(field, "big")
    if len(field) == 8 and length >> 63:
        raise _Broken(PROTOCOL_ERROR, "negative length")
    if length < (_LENGTH_16 if len(field) == 2 else 0x10000):
        raise _Broken(PROTOCOL_ERROR, "length not in its shortest form")
    return length


def _read_close(payload: bytes) -> Close:
    if not payload:
        return Close(NO_STATUS, "")
    if len(payload) == 1:
        raise _Broken(PROTOCOL_ERROR, "close code of one byte")
    code = int.from_bytes(payload[:2], "big")
    if code not in _SENDABLE_STANDARD and not 3000 <= code <= 4999:
        raise _Broken(PROTOCOL_ERROR, f"close code {code}")
    return Close(code, _decode_utf8(payload[2:]))


def _decode_utf8(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise _Broken(INVALID_TEXT, "not UTF-8") from error


def _header(opcode: Opcode, length: int) -> bytes:
    first = _FIN | opcode
    if length < _LENGTH_16:
        return bytes((first, length))
    if length < 0x10000:
        return struct.pack("!BBH", first, _LENGTH_16, length)
    return struct.pack("!BBQ", first, _LENGTH_64, length)
