"""Markdown of a model, drawn so that it says everything that is in it and does nothing."""

from __future__ import annotations

from rich.markdown import Markdown

from web.terminal.text import clean


class SafeMarkdown(Markdown):
    """Markdown in which HTML is text, and links show where they lead instead of hiding it."""

    def __init__(self, markup: str) -> None:
        super().__init__(clean(markup), hyperlinks=False, code_theme="ansi_dark")
        for token in self.parsed:
            if token.type == "html_block":
                token.type, token.info = "fence", ""
            for child in token.children or ():
                if child.type == "html_inline":
                    child.type = "text"
