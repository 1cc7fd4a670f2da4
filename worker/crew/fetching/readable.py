"""From a fetched page to the text that a person would read."""

from __future__ import annotations

from typing import NamedTuple

import trafilatura

from worker.crew.errors import PageUnavailable
from worker.crew.fetching.fetcher import FetchedPage

#: About what fits one tool result and still leaves a model room to think.
MAX_CHARACTERS = 20_000

_HTML = frozenset({"text/html", "application/xhtml+xml"})


class ReadablePage(NamedTuple):
    #: Empty when the page has none.
    title: str
    #: Markdown for HTML, else the text as it is.
    text: str
    truncated: bool


def readable(page: FetchedPage) -> ReadablePage:
    """Extract title and text. Blocks: a large page takes a second of processor time.

    Raises:
        PageUnavailable: There is no text on it.
    """
    text = _decoded(page)
    title = ""
    if page.content_type in _HTML:
        title = trafilatura.extract_metadata(text).title or ""
        text = trafilatura.extract(text, output_format="markdown", include_tables=True, favor_recall=True) or ""
    if not text.strip():
        raise PageUnavailable("There is no readable text on the page.")
    return ReadablePage(title[:300], text[:MAX_CHARACTERS], len(text) > MAX_CHARACTERS)


def _decoded(page: FetchedPage) -> str:
    try:
        return page.body.decode(page.charset or "utf-8", errors="replace")
    except LookupError:
        return page.body.decode(errors="replace")
