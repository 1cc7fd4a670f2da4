from __future__ import annotations

import re

import pytest

from worker.contract.cursor import BEGINNING, Cursor, new_tag, parse_cursor
from worker.contract.errors import CursorError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", BEGINNING),
        (0, BEGINNING),
        (7, Cursor(7)),
        ("7", Cursor(7)),
        ("7-0a1b2c3d", Cursor(7, "0a1b2c3d")),
        ("9999999999999999", Cursor(9_999_999_999_999_999)),
    ],
)
def test_a_cursor_or_a_bare_number_is_read(text: str | int, expected: Cursor) -> None:
    assert parse_cursor(text) == expected
    assert parse_cursor(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        -1,
        "01",
        "1-",
        "1-xyz",
        "1-0A1B2C3D",
        "1-0a1b2c3d5",
        "1 ",
        "1\n",
        "٣",
        "1e3",
        "99999999999999999",
        True,
    ],
)
def test_anything_else_is_refused(text: str | int) -> None:
    with pytest.raises(CursorError):
        parse_cursor(text)


def test_a_refused_text_is_quoted_only_in_part() -> None:
    with pytest.raises(CursorError) as caught:
        parse_cursor("x" * 10_000)

    assert len(str(caught.value)) < 100


def test_tags_have_the_form_that_cursors_have_and_differ() -> None:
    tags = {new_tag() for _ in range(100)}

    assert len(tags) == 100
    assert all(re.fullmatch("[0-9a-f]{8}", tag) for tag in tags)
