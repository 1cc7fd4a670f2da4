from __future__ import annotations

import csv
import io
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.errors import TooLarge, Unprocessable
from web.uploads import tables
from web.uploads.tables import normalise, unique_names

LIMIT = 20 * 1024 * 1024


def canonical(text: str) -> str:
    table = normalise(io.StringIO(text, newline=""), max_bytes=LIMIT)
    body = zlib.decompress(table.packed)
    assert table.size == len(body)
    return body.decode()


def refusal(text: str) -> Unprocessable:
    with pytest.raises(Unprocessable) as caught:
        normalise(io.StringIO(text, newline=""), max_bytes=LIMIT)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n", "a,b\n1,2\n"),
        ("a;b\r\n1;2,5\r\n", 'a,b\n1,"2,5"\n'),
        ("a\tb\r1\t2\r", "a,b\n1,2\n"),
        ("a,b\n1,2", "a,b\n1,2\n"),
        ('a,b\n"x\ny",2\n', 'a,b\n"x\ny",2\n'),
        ('a,b\n"say ""hi""",2\n', 'a,b\n"say ""hi""",2\n'),
        ("\n\na,b\n\n1,2\n,\n", "a,b\n1,2\n"),
        ("sep=;\na;b\n1;2\n", "a,b\n1,2\n"),
        ("name\nAnna\n", "name\nAnna\n"),
        ("a,b\n", "a,b\n"),
    ],
    ids=[
        "already canonical",
        "semicolons",
        "tabs and old line ends",
        "no last line end",
        "line end in a cell",
        "quotes in a cell",
        "blank lines",
        "delimiter named above",
        "one column",
        "no rows",
    ],
)
def test_any_shape_becomes_canonical(text: str, expected: str) -> None:
    assert canonical(text) == expected


def test_the_table_is_described() -> None:
    table = normalise(io.StringIO("a,b\n1,2\n3,4\n"), max_bytes=LIMIT)

    assert table.columns == ["a", "b"]
    assert table.rows == 2


def test_short_rows_are_filled_and_empty_cells_beyond_the_header_dropped() -> None:
    assert canonical("a,b,c\n1\n2,3,4,,\n") == "a,b,c\n1,,\n2,3,4\n"


def test_a_row_with_more_cells_than_the_header_names_its_line() -> None:
    error = refusal('a,b\n"x\ny",2\n1,2,3\n')

    assert error.code == "ragged_row"
    assert error.detail == {"line": 4}
    assert "3 cells; the header has 2" in error.message


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (["A", "a", ""], ["A", "a_2", "column_3"]),
        (["x", "x", "x_2"], ["x", "x_2", "x_2_2"]),
        ([" padded ", "two\nlines", "\ufeffmarked"], ["padded", "two lines", "marked"]),
        (["", ""], ["column_1", "column_2"]),
        (["n" * 300], ["n" * 100]),
    ],
)
def test_column_names_become_unique(header: list[str], expected: list[str]) -> None:
    assert unique_names(header) == expected


def test_a_quotation_mark_that_is_never_closed_is_refused_with_its_line() -> None:
    error = refusal('a,b\n1,2\n"3,4\n5,6\n')

    assert error.code == "bad_csv"
    assert error.detail == {"line": 3}
    assert "never closed" in error.message


def test_a_million_columns_are_refused_without_being_split() -> None:
    text = io.StringIO(",".join(map(str, range(1_000_000))) + "\n1\n")
    tracemalloc.start()

    with pytest.raises(Unprocessable) as caught:
        normalise(text, max_bytes=LIMIT)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == "too_many_columns"
    assert peak < 2_000_000


@pytest.mark.parametrize("columns", [501, 5_000])
def test_too_many_columns_are_refused(columns: int) -> None:
    assert refusal(",".join("abcdefgh"[:4] for _ in range(columns)) + "\n1\n").code == "too_many_columns"


def test_five_hundred_columns_are_taken() -> None:
    assert len(normalise(io.StringIO(",".join(map(str, range(500))) + "\n"), max_bytes=LIMIT).columns) == 500


def test_quoted_columns_are_counted_too() -> None:
    assert refusal(",".join('"a"' for _ in range(600)) + "\n1\n").code == "too_many_columns"


def test_a_header_without_an_end_is_refused() -> None:
    assert refusal("x" * 200_000).code == "header_too_long"


def test_a_large_cell_is_refused_with_its_line() -> None:
    error = refusal("a,b\n1,2\n3," + "x" * 40_000 + "\n")

    assert error.code == "cell_too_large"
    assert error.detail == {"line": 3}


def test_a_line_without_an_end_is_refused_before_it_is_read_whole() -> None:
    text = io.StringIO("a,b\n" + "1," * 5_000_000)

    with pytest.raises(Unprocessable) as caught:
        normalise(text, max_bytes=LIMIT)

    assert caught.value.code == "line_too_long"
    assert text.tell() <= tables.MAX_LINE_CHARS + 10


def test_a_row_of_many_lines_is_refused_before_its_cells_are_made() -> None:
    text = io.StringIO('a,b\n1,2\n"x\n"' + ("," * 100_000 + '"\n"') * 100)
    tracemalloc.start()

    with pytest.raises(Unprocessable) as caught:
        normalise(text, max_bytes=LIMIT)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (caught.value.code, caught.value.detail) == ("line_too_long", {"line": 3})
    assert peak < 20_000_000


def test_a_table_that_grows_over_the_limit_is_refused_as_soon_as_it_does() -> None:
    text = io.StringIO(",".join(map(str, range(500))) + "\n" + "1\n" * 100_000)

    with pytest.raises(TooLarge, match=r"With its empty cells filled in.* larger than 1 MB") as caught:
        normalise(text, max_bytes=1024 * 1024)

    assert (caught.value.code, caught.value.detail) == ("file_too_large", {"limit_bytes": 1024 * 1024})
    assert text.tell() < 20_000


def test_a_table_of_exactly_the_limit_is_taken() -> None:
    assert normalise(io.StringIO("a,b\n1\n"), max_bytes=7).size == 7


def test_too_many_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 3)

    error = refusal("a\n1\n2\n3\n4\n")

    assert error.code == "too_many_rows"
    assert error.detail == {"line": 5}


CELLS = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=8))
def test_what_a_spreadsheet_writes_is_read_back_cell_by_cell(rows: list[list[str]]) -> None:
    """Line ends inside cells all become the same."""
    source = io.StringIO(newline="")
    csv.writer(source).writerows([["first", "second"], *rows])

    read = list(csv.reader(io.StringIO(canonical(source.getvalue()), newline="")))

    expected = [[cell.replace("\r\n", "\n").replace("\r", "\n") for cell in row] for row in rows if any(row)]
    assert read == [["first", "second"], *expected]
