from __future__ import annotations

import io
import zlib

import pytest

from web.errors import TooLarge, Unprocessable, UnsupportedType
from web.uploads.upload import NewFile, label_of, read_upload


def read(name: str, raw: bytes, *, max_bytes: int = 10_000) -> NewFile:
    return read_upload(name, io.BytesIO(raw), max_bytes=max_bytes)


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("sales.csv", "sales.csv"),
        ("../../etc/passwd.csv", "passwd.csv"),
        ("C:\\Users\\me\\sales.csv", "sales.csv"),
        ("/", "unnamed"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("a\0b\r\n.csv", "ab.csv"),
        # A name that is shown backwards to hide its suffix.
        ("invoice\u202evsc.exe.csv", "invoicevsc.exe.csv"),
        ("two  words .csv", "two words .csv"),
        ("<img src=x>.csv", "<img src=x>.csv"),
        ("x" * 300 + ".csv", "x" * 116 + ".csv"),
    ],
)
def test_a_file_name_becomes_a_harmless_label(file_name: str, expected: str) -> None:
    assert label_of(file_name) == expected


def test_a_csv_file_becomes_a_canonical_table() -> None:
    new = read("Sales.CSV", b"\xef\xbb\xbfregion;revenue\nnorth;1\n")

    assert (new.name, new.kind, new.columns, new.rows) == ("Sales.CSV", "table", ["region", "revenue"], 1)
    assert zlib.decompress(new.packed) == b"region,revenue\nnorth,1\n"
    assert new.size == len(b"region,revenue\nnorth,1\n")


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.json"])
def test_a_text_file_becomes_a_document_in_utf_8(name: str) -> None:
    new = read(name, "Größe".encode("utf-16"))

    assert (new.kind, new.columns, new.rows) == ("document", [], 0)
    assert zlib.decompress(new.packed).decode() == "Größe"
    assert new.size == len("Größe".encode())


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.pdf", "copy the text"),
        ("a.xlsx", "as CSV"),
        ("a.exe", ".exe"),
        ("a", "^Files without a suffix are not read.$"),
    ],
)
def test_other_kinds_are_refused_with_advice(name: str, advice: str) -> None:
    with pytest.raises(UnsupportedType, match=advice) as caught:
        read(name, b"%PDF-1.7")

    assert caught.value.code == "unsupported_type"


def test_a_file_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge) as caught:
        read("a.txt", b"x" * 101, max_bytes=100)

    assert caught.value.code == "file_too_large"


def test_a_text_that_is_over_the_limit_in_utf_8_is_refused() -> None:
    with pytest.raises(TooLarge, match="As UTF-8"):
        read("a.txt", ("漢" * 40).encode("utf-16"), max_bytes=100)


def test_a_picture_named_csv_is_refused() -> None:
    with pytest.raises(Unprocessable):
        read("a.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
