"""Nothing that a model, a tool or a server says is obeyed by the terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.terminal.text import clean, show_unseen

HOSTILE = {
    "\x1b[31mred\x1b[0m": "red",
    "\x1b[2J\x1b[Hclear": "clear",
    "\x1b]0;title\x07after": "after",
    "\x1b]8;;https://attacker.example\x1b\\click\x1b]8;;\x1b\\": "click",
    "\x1b]52;c;cm0gLXJmIC8=\x07paste": "paste",
    "\x1bPq#0;2;0;0;0\x1b\\sixel": "sixel",
    "\x9b31mred": "red",
    "\x1b[6nreport": "report",
    "\x1bcreset": "reset",
    "\x1b(0lines": "lines",
    "over\rwritten": "overwritten",
    "back\b\b\b\bspace": "backspace",
    "bell\x07": "bell",
    "nul\x00": "nul",
    "delete\x7f": "delete",
    "\u202egnp.exe": "gnp.exe",
    "\u2066isolated\u2069": "isolated",
    "zero\u200bwidth": "zerowidth",
    "tag\U000e0041": "tag",
    "\x1b": "",
    "\x1b[": "",
    "\x1b]0;never ended": "",
}


@pytest.mark.parametrize("text", HOSTILE)
def test_sequences_and_controls_are_taken_out(text: str) -> None:
    assert clean(text) == HOSTILE[text]


@pytest.mark.parametrize(
    "text", ["plain", "zwölf Übungen", "日本語", "👩‍👩‍👧 family", "a\tb", "two\nlines", "[bold]no markup[/]"]
)
def test_what_is_harmless_stays(text: str) -> None:
    assert clean(text) == text


def test_other_line_ends_are_line_ends() -> None:
    assert clean("a\u2028b\x85c\x0bd") == "a\nb\nc\nd"


@given(st.text(alphabet=st.characters(), max_size=200))
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    left = {unicodedata.category(character) for character in clean(text) if character not in "\n\t\u200c\u200d"}

    assert left.isdisjoint({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


@given(st.text(max_size=200))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)


def test_who_decides_sees_what_cannot_be_seen() -> None:
    assert show_unseen("rm\u202e -rf\x1b[8m /\n\tok") == "rm\\u202e -rf\\u001b[8m /\n\tok"
    assert show_unseen("\U000e0041") == "\\U000e0041"
