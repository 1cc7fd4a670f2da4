"""Draws items and what goes on as rich renderables. No text is ever read as rich's markup."""

from __future__ import annotations

import time

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.segment import Segment, Segments
from rich.style import Style
from rich.text import Text as Styled

from web.terminal.activity import OpenTool
from web.terminal.calls import Call
from web.terminal.formats import format_running, one_line
from web.terminal.lines import Answer, Footer, Item, Line, Look, Printed, Speaker, Text
from web.terminal.plain import Signs
from web.terminal.text import clean
from web.terminal.writing import Writing

_INDENT = 2
_FRAMES, _ASCII_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
_BAR_CELLS = 20
#: Of what is being written only the end is drawn, ten times a second.
_TAIL_CHARACTERS = 4_000
#: Lines that are read as a whole; all others are cut where the screen ends.
_WHOLE = frozenset({Look.THOUGHT, Look.WAITS, Look.NOTICE, Look.DECIDED})


class Brush:
    """Draws one story."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._signs = Signs(console.encoding)
        self._frames = _ASCII_FRAMES if self._signs.is_ascii else _FRAMES
        self._speaker = Speaker()

    def draw(self, printed: Printed) -> RenderableType:
        """Draw what is finished."""
        name = self._speaker.name_for(printed)
        return _indented(self._item(printed.item, name), _INDENT * printed.place.depth)

    def tool(self, one: OpenTool, *, now: float) -> RenderableType:
        """Draw a tool call that is under way; `now` is Unix seconds."""
        tool = one.tool
        row = Styled(no_wrap=True, overflow="ellipsis")
        row.append(" " * _INDENT * (one.depth + 1))
        row.append(*(("? ", Look.WAITS.style) if tool.waits else (f"{self._frame()} ", "cyan")))
        row.append(_line(tool.name), "bold")
        row.append(f" {format_running(now - tool.began_at / 1000)}", "dim")
        if tool.fraction is not None:
            row.append_text(self._bar(tool.fraction))
        row.append(
            f"{self._signs.between}{_line(tool.progress or tool.hint)}" if tool.progress or tool.hint else "", "dim"
        )
        return row

    def tail(self, call: Call, writing: Writing, *, lines: int) -> RenderableType:
        """Draw the end of what an agent is writing."""
        text = _end_of(writing.text)
        drawn = SafeMarkdown(text) if writing.is_message else Styled(clean(text), Look.THOUGHT.style)
        indent = _INDENT * (call.depth + 1) + len(self._signs.bar)
        options = self._console.options.update_width(max(1, self._console.width - indent))
        rows = self._console.render_lines(drawn, options, pad=False)
        bar = Segment(f"{' ' * _INDENT * (call.depth + 1)}{self._signs.bar}", Style(dim=True))
        return Segments(segment for row in _without_blank_end(rows)[-lines:] for segment in (bar, *row, Segment.line()))

    def state(self, label: str, *, seconds: float) -> RenderableType:
        """Draw what is going on, in one line."""
        row = Styled(no_wrap=True, overflow="ellipsis")
        row.append(f"{self._frame()} ", "cyan")
        row.append(_line(label))
        row.append(f" {format_running(seconds)}", "dim")
        return row

    def _item(self, item: Item, name: str) -> RenderableType:
        match item:
            case Line():
                return self._line(item, name)
            case Text(markdown=text):
                said = _indented(SafeMarkdown(text), _INDENT)
                return Group(Styled(_line(name), "bold cyan"), said) if name else said
            case Answer(markdown=text):
                return Padding(SafeMarkdown(text), (1, 0), expand=False)
            case Footer(facts=facts):
                return Styled(_line(self._signs.between.join(facts)), "dim")

    def _line(self, line: Line, name: str) -> RenderableType:
        is_whole = line.look in _WHOLE or line.is_frame
        row = Styled(no_wrap=not is_whole, overflow="fold" if is_whole else "ellipsis")
        row.append(f"{self._signs.of_line(line)} ", line.look.style)
        if name:
            row.append(f"{_line(name)}{self._signs.of}", "cyan")
        row.append(_line(line.head), line.look.style if line.look in _WHOLE else "bold")
        for fact in line.facts:
            row.append(f"{self._signs.between}{_line(fact)}", "dim" if line.look is not Look.WAITS else "")
        if line.aside:
            row.append(f"{self._signs.between}{_line(line.aside)}", "dim")
        if not line.note:
            return row
        note = Styled(_line(line.note), line.look.style.replace("bold ", ""))
        return Group(row, _indented(note, _INDENT))

    def _frame(self) -> str:
        return self._frames[int(time.monotonic() * 10) % len(self._frames)]

    def _bar(self, fraction: float) -> Styled:
        full = round(_BAR_CELLS * min(1.0, max(0.0, fraction)))
        done, rest = ("#", "-") if self._signs.is_ascii else ("━", "─")
        return Styled(" ").append(done * full, "cyan").append(rest * (_BAR_CELLS - full), "dim")


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


def _indented(renderable: RenderableType, cells: int) -> RenderableType:
    # What is padded on the right as well would wrap when the window is made smaller.
    return Padding(renderable, (0, 0, 0, cells), expand=False)


def _end_of(text: str) -> str:
    """The last paragraphs: what begins in the middle of a table or of code would look like neither."""
    if len(text) <= _TAIL_CHARACTERS:
        return text
    start = text.find("\n\n", len(text) - _TAIL_CHARACTERS)
    return text[start:] if start >= 0 else text[-_TAIL_CHARACTERS:]


def _without_blank_end(rows: list[list[Segment]]) -> list[list[Segment]]:
    while rows and not "".join(segment.text for segment in rows[-1]).strip():
        rows.pop()
    return rows


def _line(text: str) -> str:
    return one_line(clean(text))
