from __future__ import annotations

import codecs
import io

import pytest

from web.errors import Unprocessable
from web.uploads.decoding import open_text

TEXT = "region;Umsatz\nKöln;5 €\nMünchen;7\n"


def decode(raw: bytes) -> str:
    with open_text(io.BytesIO(raw)) as text:
        return text.read()


@pytest.mark.parametrize(
    "raw",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("cp1252"),
    ],
    ids=["utf-8", "utf-8 with mark", "utf-16-le", "utf-16-be", "Western Windows"],
)
def test_common_encodings_are_told_apart(raw: bytes) -> None:
    assert decode(raw) == TEXT


def test_line_ends_stay_as_they_are() -> None:
    assert decode(b"a\r\nb\rc\n") == "a\r\nb\rc\n"


@pytest.mark.parametrize(
    "raw",
    [
        "имя,город\nИван,Москва\nЮрий,Тверь\n".encode("cp1251"),  # noqa: RUF001
        "名前,都市\n山田,東京\n".encode("cp932"),
        "이름,도시\n김,서울\n".encode("euc_kr"),
    ],
    ids=["Cyrillic", "Japanese", "Korean"],
)
def test_other_scripts_are_refused_rather_than_garbled(raw: bytes) -> None:
    with pytest.raises(Unprocessable) as caught:
        decode(raw)

    assert caught.value.code == "bad_encoding"
    assert caught.value.detail == {"offset": 0}


def test_the_first_bad_byte_is_named_even_far_into_the_file() -> None:
    raw = b"\xef\xbb\xbf" + b"a" * 100_000 + b"\xff\x81\x8d" + b"b" * 100_000

    with pytest.raises(Unprocessable) as caught:
        decode(raw)

    assert caught.value.detail == {"offset": 100_003}
    assert "byte 100,003 is not UTF-8" in caught.value.message


def test_a_character_across_two_reads_is_no_fault() -> None:
    raw = b"a" * 65_535 + "ö".encode() + b"\n"

    assert decode(raw).endswith("aö\n")


def test_utf_16_that_ends_in_half_a_character_is_refused() -> None:
    with pytest.raises(Unprocessable, match="UTF-16"):
        decode(codecs.BOM_UTF16_LE + "ab".encode("utf-16-le") + b"c")


@pytest.mark.parametrize("raw", [b"", b"\xef\xbb\xbf", b" \r\n\n\t "])
def test_a_file_without_content_is_refused(raw: bytes) -> None:
    with pytest.raises(Unprocessable) as caught:
        decode(raw)

    assert caught.value.code == "empty_file"


@pytest.mark.parametrize("raw", [b"a,b\n1,\x002\n", TEXT.encode("utf-16-le"), codecs.BOM_UTF32_LE + b"a\0\0\0"])
def test_nul_characters_are_refused(raw: bytes) -> None:
    with pytest.raises(Unprocessable) as caught:
        decode(raw)

    assert caught.value.code == "not_text"
