"""What is drawn on a terminal."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from tests.support.stories import STORIES, event, story
from web.terminal.activity import Situation
from web.terminal.decoding import decode
from web.terminal.screen import ScreenOutput
from web.terminal.telling import Teller

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Film:
    """A screen that is never started: what is printed on it, and its region after every event."""

    def __init__(self, *, width: int = 80, height: int = 24, encoding: str = "utf-8", **options: Any) -> None:
        self._bytes = io.BytesIO()
        self._file = io.TextIOWrapper(self._bytes, encoding=encoding, errors="replace", write_through=True)
        self.console = Console(
            file=self._file, width=width, height=height, markup=False, emoji=False, highlight=False, **options
        )
        self.situation = Situation()
        self.screen = ScreenOutput(self.console, self.situation, server_time=lambda: 10.0)
        self.teller = Teller()
        self.encoding = encoding

    def play(self, events: list[bytes]) -> list[list[str]]:
        """Show events; answers the lines of the region after each of them."""
        frames = []
        for raw in events:
            printed = self.teller.tell(decode(raw))
            self.screen.show(raw, printed, self.teller)
            frames.append(self.region())
        return frames

    def region(self) -> list[str]:
        lines = self.console.render_lines(self.screen._region(), pad=False)
        return ["".join(segment.text for segment in line) for line in lines]

    @property
    def printed(self) -> str:
        return self._bytes.getvalue().decode(self.encoding)


def completed(result: str) -> dict[str, Any]:
    return {"result": result, "duration_ms": 1, "usage": {}}


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize(("width", "height"), [(100, 30), (40, 12), (20, 6), (8, 3)])
def test_the_region_stays_small_and_inside_the_screen(name: str, width: int, height: int) -> None:
    frames = Film(width=width, height=height).play(story(name))

    assert max(map(len, frames)) <= max(3, min(10, height // 3))
    assert max(len(line) for frame in frames for line in frame) <= width


@pytest.mark.parametrize("name", STORIES)
def test_nothing_but_our_own_colours_is_printed(name: str) -> None:
    film = Film(force_terminal=True, color_system="standard")
    film.play(story(name))

    left = COLOURS.sub("", film.printed)
    assert all(character.isprintable() or character == "\n" for character in left)


def test_hostile_text_reaches_neither_the_screen_nor_rich(capsys: pytest.CaptureFixture[str]) -> None:
    text = "[red]x[/] [link=https://attacker.example]y[/] :skull: \x1b]8;;https://a.example\x07z\x1b[2J\u202e"
    data: dict[str, Any] = {"input": text, "model": None, "tools": []}
    call = {"call_id": "t1", "tool_name": text, "arguments": {"a": text}, "purpose": None}
    film = Film(force_terminal=True, color_system="standard")

    frames = film.play(
        [
            event(1, "agent_started", data, agent_name=text),
            event(2, "partial_result", {"message_id": "m1", "text": text}),
            event(3, "tool_executing", call),
        ]
    )

    for shown in (COLOURS.sub("", film.printed), *("\n".join(frame) for frame in frames)):
        assert "[red]x[/]" in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown


def test_html_of_an_answer_is_text_and_links_say_where_they_lead() -> None:
    film = Film(width=200)
    film.play(story("hostile_text"))

    for part in ('<iframe src="javascript:window.hacked=9">', "<b onmouseover", "https://example.org/page"):
        assert part in film.printed


def test_html_inside_a_sentence_is_text_also_where_rich_has_a_meaning_for_it() -> None:
    film = Film()
    film.play([event(1, "agent_completed", completed("a <b>bold</b> </kbd> word"), terminal=True)])

    assert "a <b>bold</b> </kbd> word" in film.printed


def test_without_colours_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    film = Film(force_terminal=True, color_system=None)
    film.play(story("crew_answer"))

    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", film.printed)


def test_a_terminal_without_unicode_gets_ascii_signs() -> None:
    film = Film(encoding="ascii")
    frames = film.play(story("simple_answer"))

    assert "+ calculate" in film.printed
    assert all(frame[-1][0] in "|/-\\" for frame in frames[:-1])


def test_a_running_tool_is_seen_with_its_progress_and_gone_when_it_is_done() -> None:
    film = Film()
    frames = film.play(story("crew_answer"))

    text = ["\n".join(frame) for frame in frames]
    assert "statistics" in text[26]
    assert "Fitting trends" in text[26]
    assert "optimization runs statistics" in text[26]
    assert "statistics" not in text[27]


def test_what_is_being_written_is_seen_while_it_is() -> None:
    frames = Film().play(story("simple_answer"))

    assert any("Thought" not in line and "multiply and divide" in line for line in frames[3])


def test_what_the_events_do_not_say_is_said_beside_the_spinner() -> None:
    film = Film()
    assert "Waiting for a worker" in film.region()[-1]
    film.situation.is_behind = True
    assert "Waits for the answer before it" in film.region()[-1]
    film.situation.trouble = "Reconnecting…"
    assert "Reconnecting…" in film.region()[-1]


def test_a_call_that_needs_a_yes_is_said_to_wait() -> None:
    frames = Film().play(story("approvals"))

    assert "Waiting for your yes" in frames[2][-1]
    assert "Waiting for your yes" not in frames[3][-1]


def test_what_happens_while_a_person_is_asked_is_shown_afterwards() -> None:
    film = Film()
    with film.screen.paused():
        film.play(story("simple_answer"))
        assert film.printed == ""

    assert "397.80" in film.printed
