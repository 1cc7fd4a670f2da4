"""Typed values from the text of CSV columns."""

from __future__ import annotations

import pytest

from worker.workspace.cells import Cell, convert, infer_formats


def typed(*values: str) -> tuple[str, list[Cell]]:
    rows = [[value] for value in values]
    formats = infer_formats(rows, 1)
    return formats[0].type, [convert(formats, row)[0] for row in rows]


@pytest.mark.parametrize(
    ("values", "kind", "converted"),
    [
        (["1", "-20", "0"], "integer", [1, -20, 0]),
        (["1", "2.5", ".5"], "real", [1.0, 2.5, 0.5]),
        (["1e3", "2"], "real", [1000.0, 2.0]),
        (["$1,200.50", "30"], "real", [1200.5, 30.0]),
        (["1.234,5", "12,25"], "real", [1234.5, 12.25]),
        (["2024-01-31", "2024-02"], "date", ["2024-01-31", "2024-02"]),
        (["2024-01-31T10:00:00Z", "2024-01-31 10:00"], "date", ["2024-01-31T10:00:00Z", "2024-01-31 10:00"]),
        (["true", "False"], "boolean", ["true", "False"]),
        (["yes", "maybe"], "text", ["yes", "maybe"]),
    ],
)
def test_a_column_has_the_narrowest_type_that_fits_all_its_values(
    values: list[str], kind: str, converted: list[Cell]
) -> None:
    assert typed(*values) == (kind, converted)


@pytest.mark.parametrize("values", [["007", "12"], ["1234567890123456789012"], ["2024-13-01"], ["12 apples"]])
def test_codes_and_words_stay_text(values: list[str]) -> None:
    assert typed(*values) == ("text", list(values))


def test_an_empty_cell_is_null_and_does_not_change_the_type() -> None:
    assert typed("1", "", "  ", "3") == ("integer", [1, None, None, 3])


def test_words_for_nothing_are_null_among_numbers_and_kept_among_words() -> None:
    assert typed("1", "N/A", "3") == ("integer", [1, None, 3])
    assert typed("NA", "US") == ("text", ["NA", "US"])
    assert typed("n/a", "n/a") == ("text", ["n/a", "n/a"])


def test_a_column_without_values_is_text() -> None:
    assert typed("", "") == ("text", [None, None])


def test_a_short_row_is_filled_and_a_long_row_is_cut() -> None:
    formats = infer_formats([["1", "a"]], 2)
    assert convert(formats, ["1"]) == [1, None]
    assert convert(formats, ["1", "a", "extra"]) == [1, "a"]
