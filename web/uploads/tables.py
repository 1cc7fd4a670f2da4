"""Makes canonical CSV of an uploaded one: UTF-8, comma, one header line, unique column names, rows of equal length.

Works line by line; what it holds at once is bounded by the limits below, whatever the file looks like.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Iterator
from typing import NamedTuple, NoReturn, TextIO

from web.errors import TooLarge, Unprocessable
from web.uploads.delimiters import choose_delimiter, widest

#: A wider table is a matrix or a mistake, and SQLite ends at 2,000 columns.
MAX_COLUMNS = 500
#: Some 20 MB of short rows; a worker reads them all into its own table.
MAX_ROWS = 500_000
#: A cell is a value, not a document.
MAX_CELL_CHARS = 32_768
MAX_HEADER_CHARS = 65_536
MAX_LINE_CHARS = 1024 * 1024
_MAX_NAME_CHARS = 100
_PACK_BYTES = 65_536

#: What spreadsheets write above the header to name the delimiter.
_SEPARATOR_LINE = re.compile(r"sep=([,;\t|])\r?\n?", re.IGNORECASE)
_NOT_IN_A_NAME = re.compile(r"[\x00-\x20\x7f-\xa0\ufeff]+")


class Table(NamedTuple):
    """A canonical CSV."""

    columns: list[str]
    #: Data rows.
    rows: int
    #: Size of the CSV text, in bytes.
    size: int
    #: The CSV text, zlib.
    packed: bytes


def normalise(text: TextIO, *, max_bytes: int) -> Table:
    """Read a CSV text from its beginning and write it anew.

    Short rows are filled with empty cells, and empty cells beyond the header are dropped.

    Args:
        max_bytes: Largest size of the canonical text: a header of many columns makes long rows of short ones.

    Raises:
        TooLarge: The canonical text is larger than `max_bytes`.
        Unprocessable: It is no table, or over a limit. `detail.line` is the place, counted from 1.
    """
    records = _records(text)
    line, header = next(records, (1, []))
    if not header:
        _refuse("empty_file", "The file has no header line.", 1)
    _check_columns(len(header))
    columns = unique_names(header)
    packer = _Packer(max_bytes)
    writer = csv.writer(packer, lineterminator="\n")
    writer.writerow(columns)
    rows = 0
    for line, record in records:
        rows += 1
        if rows > MAX_ROWS:
            _refuse("too_many_rows", f"The table has more than {MAX_ROWS:,} rows.", line)
        writer.writerow(_fitted(record, len(columns), line))
    size, packed = packer.finish()
    return Table(columns, rows, size, packed)


def unique_names(header: list[str]) -> list[str]:
    """Make column names that differ from each other for SQL, which does not see case.

    `["A", "a", ""]` becomes `["A", "a_2", "column_3"]`.
    """
    names: list[str] = []
    taken: set[str] = set()
    for position, text in enumerate(header, start=1):
        base = _NOT_IN_A_NAME.sub(" ", text).strip()[:_MAX_NAME_CHARS].strip() or f"column_{position}"
        name, number = base, 1
        while name.lower() in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name.lower())
        names.append(name)
    return names


def _records(text: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Give every row that is not blank, the header first, with the line that it begins in."""
    delimiter, lines_above = _begin(text)
    lines = _Lines(text, lines_above)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = lines.begin_record()
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            _refuse("bad_csv", f"The row that begins in line {line:,} cannot be read: {_words(error)}.", line)
        if not any(record):
            continue
        if max(map(len, record)) > MAX_CELL_CHARS:
            _refuse("cell_too_large", f"A cell in line {line:,} has more than {MAX_CELL_CHARS:,} characters.", line)
        yield line, record


def _begin(text: TextIO) -> tuple[str, int]:
    """Find the delimiter, check the header's size, and stand before the header: also the number of lines above it."""
    sample = text.read(MAX_HEADER_CHARS)
    named = _SEPARATOR_LINE.match(sample)
    sample = sample[named.end() :] if named else sample
    first_line = sample.lstrip().partition("\n")[0].partition("\r")[0]
    if len(first_line) > MAX_HEADER_CHARS - 100:
        # Its end is not in sight; what is seen of it may say more.
        _check_columns(widest(first_line), at_least=True)
        _refuse("header_too_long", f"The header line has more than {MAX_HEADER_CHARS:,} characters.", 1)
    text.seek(0)
    if named:
        text.readline()
        return named[1], 1
    return choose_delimiter(sample), 0


def _fitted(record: list[str], columns: int, line: int) -> list[str]:
    if "\r" in "".join(record):
        # Python's CSV writer before 3.13 leaves such a cell without quotation marks, which makes two rows of it.
        record = [cell.replace("\r\n", "\n").replace("\r", "\n") for cell in record]
    if len(record) < columns:
        return record + [""] * (columns - len(record))
    if any(record[columns:]):
        _refuse("ragged_row", f"Line {line:,} has {len(record):,} cells; the header has {columns:,}.", line)
    return record[:columns]


def _check_columns(count: int, *, at_least: bool = False) -> None:
    if count > MAX_COLUMNS:
        words = f"{'more than ' if at_least else ''}{MAX_COLUMNS if at_least else count:,}"
        _refuse("too_many_columns", f"The table has {words} columns; at most {MAX_COLUMNS} are taken.", 1)


def _words(error: csv.Error) -> str:
    if "unexpected end" in str(error):
        return "a quotation mark is opened and never closed"
    if "field larger" in str(error):
        return "a cell is too large, or a quotation mark is never closed"
    return str(error)


def _refuse(code: str, message: str, line: int) -> NoReturn:
    raise Unprocessable(message, code=code, detail={"line": line})


class _Lines:
    """The lines that the CSV reader asks for, with a bound on those of one row: quoted cells may go over many lines."""

    def __init__(self, text: TextIO, lines_above: int) -> None:
        self._text = text
        self._number = lines_above
        self._record_line = lines_above + 1
        self._chars_left = 0

    def begin_record(self) -> int:
        """Allow the next row its characters; returns the line that it begins in."""
        self._chars_left = MAX_LINE_CHARS
        self._record_line = self._number + 1
        return self._record_line

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._chars_left)
        if not line:
            raise StopIteration
        self._number += 1
        self._chars_left -= len(line)
        if self._chars_left <= 0:
            message = f"The row that begins in line {self._record_line:,} has more than {MAX_LINE_CHARS:,} characters."
            _refuse("line_too_long", message, self._record_line)
        return line


class _Packer:
    """The file that the CSV writer writes to: compresses in pieces, counts, and stops at the limit."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._compressor = zlib.compressobj()
        self._pending = bytearray()
        self._packed: list[bytes] = []

    def write(self, text: str) -> None:
        self._pending += text.encode()
        if len(self._pending) >= _PACK_BYTES:
            self._pack()

    def finish(self) -> tuple[int, bytes]:
        """Give the size of the text and the text, compressed."""
        self._pack()
        self._packed.append(self._compressor.flush())
        return self._size, b"".join(self._packed)

    def _pack(self) -> None:
        self._size += len(self._pending)
        if self._size > self._max_bytes:
            limit_mb = self._max_bytes / (1024 * 1024)
            raise TooLarge(
                f"With its empty cells filled in and as UTF-8, the table is larger than {limit_mb:g} MB.",
                code="file_too_large",
                detail={"limit_bytes": self._max_bytes},
            )
        self._packed.append(self._compressor.compress(self._pending))
        self._pending.clear()
