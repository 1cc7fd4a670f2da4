"""Passages and search expressions."""

from __future__ import annotations

import contextlib
import re

import pytest

from worker.workspace.corpus import PASSAGE_CHARACTERS, match_expression, passages
from worker.workspace.errors import BadInput


def test_short_paragraphs_share_a_passage_and_nothing_is_lost() -> None:
    paragraphs = [f"Paragraph {number} says something. " + "word " * 60 for number in range(20)]
    pieces = list(passages("\n\n".join(paragraphs)))
    assert 1 < len(pieces) < 20
    assert [word for piece in pieces for word in piece.split()] == [
        word for text in paragraphs for word in text.split()
    ]
    assert all(len(piece) <= PASSAGE_CHARACTERS + 2 for piece in pieces)


def test_a_paragraph_without_end_is_cut() -> None:
    assert [len(piece) for piece in passages("x" * (PASSAGE_CHARACTERS * 2 + 5))] == [1200, 1200, 5]


@pytest.mark.parametrize(
    "query",
    ['"', "a AND", "NEAR(x", "name:secret", "-x", "x*", "(((", "a OR OR b", "it's; DROP", "^x", "col : {a b}", "''"],
)
def test_no_query_is_read_as_search_syntax(query: str) -> None:
    with contextlib.suppress(BadInput):
        assert re.fullmatch(r'"\w+"\*?( OR "\w+"\*?)*', match_expression(query))


def test_a_query_without_a_word_is_refused() -> None:
    with pytest.raises(BadInput, match="at least one word"):
        match_expression("?!  …")
