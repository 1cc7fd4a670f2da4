from __future__ import annotations

import pytest

from web.uploads.delimiters import choose_delimiter, widest


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("a,b,c\n1,2,3\n", ","),
        ("a;b;c\n1;2;3\n", ";"),
        ("a\tb\n1\t2\n", "\t"),
        ("a|b|c\n1|2|3\n", "|"),
        ("name\nAnna\nBert\n", ","),
        ("", ","),
        # German numbers have commas.
        ("region;revenue\nnorth;1,5\nsouth;2,25\n", ";"),
        # A comma in the header's words, but semicolons agree in every row.
        ("name, first;age\nAnna;3\nBert;4\n", ";"),
        # The delimiter of another kind inside quoted cells does not count.
        ('a,b\n"x;y;z",2\n"p;q;r",3\n', ","),
    ],
)
def test_the_delimiter_under_which_rows_agree_is_chosen(sample: str, expected: str) -> None:
    assert choose_delimiter(sample) == expected


def test_a_sample_cut_in_the_middle_of_a_row_does_not_mislead() -> None:
    assert choose_delimiter("a;b;c\n1;2;3\n4;5") == ";"


def test_the_width_of_a_line_is_seen_without_splitting_it() -> None:
    assert widest("a,b,c;d") == 3
    assert widest("") == 1
