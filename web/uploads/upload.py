"""Turns an uploaded file into what is stored: a canonical table or a document as UTF-8 text."""

from __future__ import annotations

import unicodedata
import zlib
from pathlib import PurePosixPath
from typing import IO, NamedTuple

from web.errors import TooLarge, UnsupportedType
from web.uploads.decoding import open_text
from web.uploads.tables import normalise
from worker.contract.files import FileKind

_MAX_NAME_CHARS = 120

_KINDS: dict[str, FileKind] = {
    ".csv": "table",
    ".tsv": "table",
    ".tab": "table",
    ".txt": "document",
    ".md": "document",
    ".markdown": "document",
    ".html": "document",
    ".htm": "document",
    ".json": "document",
}

#: What people bring and what they can do instead.
_INSTEAD = {
    ".pdf": "PDF files are not read; copy the text into a .txt or .md file.",
    ".docx": "Word files are not read; save the text as .txt.",
    ".xlsx": "Excel files are not read; save the sheet as CSV.",
    ".xls": "Excel files are not read; save the sheet as CSV.",
    ".ods": "Spreadsheet files are not read; save the sheet as CSV.",
}


class NewFile(NamedTuple):
    """A file ready to be stored."""

    name: str
    kind: FileKind
    #: Size of the canonical text, in bytes.
    size: int
    #: The canonical text, zlib.
    packed: bytes
    columns: list[str]
    rows: int


def read_upload(file_name: str, file: IO[bytes], *, max_bytes: int) -> NewFile:
    """Check an uploaded file and write it in its canonical form.

    Args:
        file_name: As the client gave it; becomes a label and nothing else.
        file: Seekable; closed when this returns.

    Raises:
        UnsupportedType: Files of this kind are not read.
        TooLarge: It, or its canonical form, is larger than `max_bytes`.
        Unprocessable: Its content is refused; says why and where.
    """
    name = label_of(file_name)
    kind = _kind_of(name)
    check_size(file.seek(0, 2), max_bytes)
    with open_text(file) as text:
        if kind == "table":
            table = normalise(text, max_bytes=max_bytes)
            return NewFile(name, kind, table.size, table.packed, table.columns, table.rows)
        body = text.read().encode()
    # What was UTF-16 or Western Windows can be larger in UTF-8.
    check_size(len(body), max_bytes, what="As UTF-8, the file")
    return NewFile(name, kind, len(body), zlib.compress(body), [], 0)


def label_of(file_name: str) -> str:
    """Make a label of a file's name: no folders, nothing invisible, at most 120 characters with the suffix kept."""
    last = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    visible = "".join(char for char in last if not unicodedata.category(char).startswith("C"))
    name = " ".join(visible.split()).strip(". ") if visible.strip(". ") else "unnamed"
    suffix = PurePosixPath(name).suffix
    if len(name) > _MAX_NAME_CHARS and len(suffix) < _MAX_NAME_CHARS:
        return name[: _MAX_NAME_CHARS - len(suffix)] + suffix
    return name[:_MAX_NAME_CHARS]


def check_size(size: int, max_bytes: int, *, what: str = "The file") -> None:
    """Refuse a file that is too large.

    Raises:
        TooLarge: It is.
    """
    if size > max_bytes:
        limit_mb = max_bytes / (1024 * 1024)
        raise TooLarge(
            f"{what} is larger than {limit_mb:g} MB.", code="file_too_large", detail={"limit_bytes": max_bytes}
        )


def _kind_of(name: str) -> FileKind:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _KINDS:
        return _KINDS[suffix]
    kind = f"of the kind {suffix}" if suffix else "without a suffix"
    words = _INSTEAD.get(suffix, f"Files {kind} are not read.")
    raise UnsupportedType(words, detail={"suffixes": sorted(_KINDS)})
