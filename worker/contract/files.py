"""What a user has brought: tables and documents. The bytes live in Redis, so that every worker can read them.

A table is stored as canonical CSV (UTF-8, comma, one header line, unique column names), whatever the upload looked
like; a document as UTF-8 text.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

FileKind = Literal["table", "document"]

_NOT_IN_A_NAME = re.compile(r"[^0-9a-z]+")


class FileInfo(msgspec.Struct, frozen=True, kw_only=True):
    file_id: str
    #: As the user named it, without any folder; shown, never used as a path.
    name: str
    kind: FileKind
    #: Size of the canonical text, in bytes.
    size: int
    created_at: int
    #: Name of the table in SQL; empty for a document.
    table: str = ""
    columns: list[str] = []
    #: Data rows of a table; 0 for a document.
    rows: int = 0


def table_name(file_name: str) -> str:
    """Make an SQL name from a file's name: `Q3 Sales (final).csv` becomes `q3_sales_final`."""
    stem = file_name.rsplit(".", 1)[0] if "." in file_name else file_name
    name = _NOT_IN_A_NAME.sub("_", stem.lower()).strip("_")[:48]
    if not name:
        return "table_1"
    return name if name[0].isalpha() else f"t_{name}"
