"""Finds out how an uploaded text is encoded: UTF-8, UTF-16 with its mark, or Western Windows when that is sure."""

from __future__ import annotations

import codecs
import io
from typing import IO, NoReturn

from charset_normalizer import from_bytes

from web.errors import Unprocessable

_CHUNK_BYTES = 65_536
#: Bytes around the first one that is not UTF-8, shown to the detector: enough words, and quick.
_SAMPLE_BYTES = 16_384
#: What spreadsheets save on Western Windows machines; Latin-1 is a part of it in practice.
_FALLBACK = "cp1252"
_WIDE = "utf-16"


def open_text(file: IO[bytes]) -> io.TextIOWrapper:
    """Open a seekable file as text, without its byte order mark; line ends stay as they are.

    Reads the file through once, in pieces, so that no error comes later.

    Raises:
        Unprocessable: It is not text in a known encoding, or it is empty. `detail.offset` is the place in bytes.
    """
    encoding = _encoding_of(file)
    file.seek(0)
    return io.TextIOWrapper(file, encoding=encoding, newline="")


def _encoding_of(file: IO[bytes]) -> str:
    file.seek(0)
    marked = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = _WIDE if marked else "utf-8-sig"
    offset = _first_fault(file, encoding)
    if offset is None:
        return encoding
    if not marked and _is_western(file, offset) and _first_fault(file, _FALLBACK) is None:
        return _FALLBACK
    name = "UTF-16" if marked else "UTF-8"
    raise Unprocessable(
        f"The text cannot be read: byte {offset:,} is not {name}. Save it as UTF-8 and try again.",
        code="bad_encoding",
        detail={"offset": offset},
    )


def _first_fault(file: IO[bytes], encoding: str) -> int | None:
    """Place of the first byte that is not in this encoding; None when all are."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    read = 0
    is_empty = True
    while True:
        chunk = file.read(_CHUNK_BYTES)
        read += len(chunk)
        if b"\0" in chunk and encoding != _WIDE:
            _refuse_binary()
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            # What the decoder was working on is always the end of what was read.
            return read - len(error.object) + error.start
        if "\0" in text:
            _refuse_binary()
        is_empty = is_empty and not text.strip()
        if not chunk:
            break
    if is_empty:
        raise Unprocessable("The file is empty.", code="empty_file")
    return None


def _refuse_binary() -> NoReturn:
    raise Unprocessable("The file is not text: it has NUL characters.", code="not_text")


def _is_western(file: IO[bytes], offset: int) -> bool:
    """Whether the text around the first fault reads well as Western Windows; other scripts look like noise then."""
    file.seek(max(0, offset - _SAMPLE_BYTES // 2))
    return from_bytes(file.read(_SAMPLE_BYTES), cp_isolation=[_FALLBACK]).best() is not None
