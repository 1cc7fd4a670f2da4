"""A backup's file: gzip around frames, each a length and a MessagePack value. No Redis here.

    header, entry, entry …, trailer with the count of entries

A file that is torn or was changed is found by the trailer, the lengths and gzip's checksum.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

FORMAT = "outloud-backup"
VERSION = 1
#: Redis takes no larger value; a longer frame is a broken one.
_MAX_FRAME_BYTES = 600 * 1024 * 1024
_LENGTH = struct.Struct(">I")
#: Conversations compress well at any level; this one keeps up with a local Redis.
_COMPRESSION = 3


class BackupError(Exception):
    """A backup cannot be written, read or used; the message says why."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    format: str = FORMAT
    version: int = VERSION
    #: When it was begun, in Unix ms.
    at: int
    #: Name and version of the server it was made of.
    server: str


class Entry(msgspec.Struct, frozen=True, array_like=True, tag="entry"):
    key: bytes
    #: What was left of its life, in ms; 0 means without end.
    ttl_ms: int
    #: As the server's DUMP gives it.
    dump: bytes


class Trailer(msgspec.Struct, frozen=True, array_like=True, tag="trailer"):
    entries: int


def write(path: Path, header: Header, entries: Iterable[Entry]) -> int:
    """Write a file that only its owner may read; returns the count of entries. The name exists once it is whole.

    Raises:
        BackupError: There is such a file, or it cannot be written.
    """
    if path.exists():
        raise BackupError(f"{path} exists; give another name, or take it away")
    part = path.with_name(f"{path.name}.part")
    try:
        count = _write_part(part, header, entries)
        part.rename(path)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return count


def read_header(path: Path) -> Header:
    """Read what a file says of itself.

    Raises:
        BackupError: It is no backup, or one of a newer version.
    """
    return _check_header(path, next(_frames(path), b""))


def read(path: Path) -> Iterator[Entry]:
    """Read the entries one by one, and at the end prove that these were all.

    Raises:
        BackupError: It is no backup, one of a newer version, torn or changed.
    """
    frames = _frames(path)
    _check_header(path, next(frames, b""))
    for count, frame in enumerate(frames):
        item = _item(path, frame)
        if isinstance(item, Trailer):
            if item.entries != count or next(frames, None) is not None:
                break
            return
        yield item
    raise _torn(path)


def _check_header(path: Path, frame: bytes) -> Header:
    try:
        header = msgspec.msgpack.decode(frame, type=Header)
    except msgspec.MsgspecError:
        raise BackupError(f"{path} is not a backup of outloud") from None
    if header.format != FORMAT:
        raise BackupError(f"{path} is not a backup of outloud")
    if header.version > VERSION:
        raise BackupError(f"{path} is a backup of version {header.version}; this program knows {VERSION}: update it")
    return header


def _write_part(part: Path, header: Header, entries: Iterable[Entry]) -> int:
    count = 0
    # What is there was left by a backup that was killed, or laid there for us: its readers, or a link, would stay.
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as raw:
        with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=_COMPRESSION) as file:
            _put(file, header)
            for entry in entries:
                _put(file, entry)
                count += 1
            _put(file, Trailer(count))
        raw.flush()
        os.fsync(raw.fileno())
    return count


def _put(file: gzip.GzipFile, item: msgspec.Struct) -> None:
    frame = msgspec.msgpack.encode(item)
    file.write(_LENGTH.pack(len(frame)))
    file.write(frame)


def _frames(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as file:
            while head := file.read(_LENGTH.size):
                [length] = _LENGTH.unpack(head) if len(head) == _LENGTH.size else [_MAX_FRAME_BYTES + 1]
                frame = file.read(length) if length <= _MAX_FRAME_BYTES else b""
                if len(frame) != length:
                    raise _torn(path)
                yield frame
    except gzip.BadGzipFile:
        raise BackupError(f"{path} is not a backup of outloud, or was changed") from None
    except (EOFError, zlib.error):
        raise _torn(path) from None
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}") from error


def _item(path: Path, frame: bytes) -> Entry | Trailer:
    try:
        return msgspec.msgpack.decode(frame, type=Entry | Trailer)
    except msgspec.MsgspecError:
        raise _torn(path) from None


def _torn(path: Path) -> BackupError:
    return BackupError(f"{path} is torn: its end is missing, or something in it was changed. Nothing of it is used")
