"""Full-text search over the documents: passages in FTS5, ranked by bm25."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

from worker.workspace.errors import BadInput

#: Long enough to answer from, short enough that the rank says something.
PASSAGE_CHARACTERS = 1200
#: FTS5 allows at most 64.
_SNIPPET_TOKENS = 56
#: More words than this come from a pasted text, and each costs a look into the index.
_MAX_WORDS = 32

_WORD = re.compile(r"\w+")
_BREAK = re.compile(r"\n\s*\n")

_SEARCH = f"""
SELECT name, snippet(_passages, 1, '**', '**', '…', {_SNIPPET_TOKENS}), round(-bm25(_passages, 2.0, 1.0), 4)
FROM _passages WHERE _passages MATCH ? ORDER BY bm25(_passages, 2.0, 1.0), rowid LIMIT ?
"""  # noqa: S608 - a constant


def passages(text: str) -> Iterator[str]:
    """Cut a document at its paragraphs into pieces of about `PASSAGE_CHARACTERS`."""
    piece = ""
    for paragraph in _BREAK.split(text):
        for start in range(0, len(paragraph), PASSAGE_CHARACTERS):
            part = paragraph[start : start + PASSAGE_CHARACTERS].strip()
            if piece and len(piece) + len(part) > PASSAGE_CHARACTERS:
                yield piece
                piece = ""
            piece = f"{piece}\n\n{part}" if piece else part
    if piece:
        yield piece


def match_expression(query: str) -> str:
    """Write a person's words as an FTS5 expression; nothing of the query is read as FTS5 syntax.

    Any of the words may match: bm25 puts passages with more and rarer words first.

    Raises:
        BadInput: There is no word in it.
    """
    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(query)))[:_MAX_WORDS]
    if not words:
        raise BadInput("Give at least one word to search for.")
    return " OR ".join(map(_term, words))


def _term(word: str) -> str:
    # A word inside quotes is a plain string to FTS5; the star outside them asks for the beginning of a word.
    if len(word) <= 3:
        return f'"{word}"'
    return f'"{word.removesuffix("s")}"*'


def search(connection: sqlite3.Connection, query: str, *, limit: int) -> list[dict[str, Any]]:
    """Find the best passages: name of the document, snippet with the words in bold, score (higher is better).

    Raises:
        BadInput: The query has no word.
    """
    rows = connection.execute(_SEARCH, (match_expression(query), limit))
    return [{"name": name, "snippet": snippet, "score": score} for name, snippet, score in rows]
