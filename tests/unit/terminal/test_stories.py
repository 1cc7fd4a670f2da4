"""Every golden story as the terminal tells it; the expected texts in tests/fixtures/terminal are there to be read.

After a change that is meant: `TEST_WRITE_GOLDEN=1 pytest tests/unit/terminal/test_stories.py`, and read the difference.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from tests.support.environment import ROOT
from tests.support.stories import STORIES, event, story
from web.terminal.decoding import decode
from web.terminal.plain import PlainWriter
from web.terminal.telling import Teller

FOLDER = ROOT / "tests" / "fixtures" / "terminal"


def tell(events: Iterable[bytes], *, encoding: str = "utf-8") -> str:
    teller, writer = Teller(), PlainWriter(encoding)
    return "".join(writer.write(printed) for raw in events for printed in teller.tell(decode(raw)))


def started(seq: int, call_id: str = "a1", parent: str | None = None, name: str = "data") -> bytes:
    data = {"input": f"task of {name}", "model": "m", "tools": []}
    return event(seq, "agent_started", data, agent_call_id=call_id, parent_call_id=parent, agent_name=name)


def said(seq: int, text: str, message_id: str = "m1") -> bytes:
    return event(seq, "partial_result", {"message_id": message_id, "text": text})


def executing(seq: int, call_id: str, **fields: object) -> bytes:
    data = {"call_id": call_id, "tool_name": "look", "arguments": {"at": call_id}, "purpose": None}
    return event(seq, "tool_executing", data, **fields)


def completed(seq: int, call_id: str, **fields: object) -> bytes:
    data = {"call_id": call_id, "tool_name": "look", "status": "ok", "duration_ms": 5, "result": 1}
    return event(seq, "tool_completed", data, **fields)


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_told_as_expected(name: str) -> None:
    told = tell(story(name))
    path = FOLDER / f"{name}.txt"
    if os.environ.get("TEST_WRITE_GOLDEN"):
        path.write_text(told)

    assert told == path.read_text()


@pytest.mark.parametrize("name", STORIES)
def test_no_story_holds_anything_that_a_terminal_obeys(name: str) -> None:
    assert all(character.isprintable() or character == "\n" for character in tell(story(name)))


@pytest.mark.parametrize("name", STORIES)
def test_every_story_can_be_told_in_ascii(name: str) -> None:
    assert tell(story(name), encoding="ascii").isascii()


def test_an_event_of_unknown_type_is_shown_plainly() -> None:
    told = tell([started(1), event(2, "agent_dreaming", {"sheep": 3})])

    assert told.splitlines()[-1] == '  · Event “agent_dreaming” · {"sheep":3}'


def test_a_known_event_of_another_shape_is_shown_plainly() -> None:
    told = tell([started(1), event(2, "tool_progress", {"done": True})])

    assert told.splitlines()[-1] == '  · Event “tool_progress” · {"done":true}'


def test_a_last_event_of_unknown_type_ends_the_story() -> None:
    teller = Teller()
    for raw in (started(1), said(2, "half"), event(3, "agent_evaporated", None, terminal=True)):
        teller.tell(decode(raw))

    assert teller.outcome == "interrupted"


def test_hostile_text_is_made_harmless() -> None:
    told = tell([started(1), said(2, "a\x1b]0;title\x07b\u202ec\rd"), executing(3, "t\x1b[2J\nx")])

    assert told.splitlines()[1:] == ["  │ abcd", "  … look · t x"]


def test_text_that_a_new_attempt_says_again_is_not_told_twice() -> None:
    resumed = event(3, "run_resumed", {"reason": "Lost.", "discard_after_seq": 1, "discard": {"a1": 1}}, attempt=2)
    events = [started(1), said(2, "first try"), resumed, said(4, "second try"), executing(5, "t1")]

    assert tell(events).splitlines()[1:] == [
        "  ↻ Picked up again (attempt 2). Lost.",
        "  │ second try",
        "  … look · t1",
    ]


def test_only_the_void_part_of_a_text_is_taken_back() -> None:
    resumed = event(4, "run_resumed", {"reason": "Lost.", "discard_after_seq": 2, "discard": {"a1": 2}}, attempt=2)
    events = [started(1), said(2, "kept "), said(3, "void"), resumed, said(5, "again"), executing(6, "t1")]

    assert "kept" in tell(events)
    assert "void" not in tell(events)


def test_agents_side_by_side_say_whose_step_it_is() -> None:
    one = {"agent_call_id": "a1.1", "parent_call_id": "a1", "agent_name": "north"}
    two = {"agent_call_id": "a1.2", "parent_call_id": "a1", "agent_name": "south"}
    events = [
        started(1),
        started(2, "a1.1", "a1", "north"),
        started(3, "a1.2", "a1", "south"),
        executing(4, "t1", **one),
        executing(5, "t2", **two),
        completed(6, "t2", **two),
        completed(7, "t1", **one),
    ]

    assert tell(events).splitlines()[3:] == [
        "    … north » look · t1",
        "    … south » look · t2",
        "    ✓ look · 1 · 5 ms · t2",
        "    ✓ north » look · 1 · 5 ms · t1",
    ]


def test_an_agent_that_a_new_attempt_introduces_again_is_not_told_twice() -> None:
    assert tell([started(1), started(2)]).count("data") == 2  # Its name, and its task.


def test_progress_is_told_now_and_then() -> None:
    reports = [
        event(2 + n, "tool_progress", {"call_id": "t1", "fraction": n / 20, "text": f"step {n}"}, at=2_000 + 1_000 * n)
        for n in range(1, 21)
    ]

    told = tell([started(1), executing(2, "t1"), *reports]).splitlines()[2:]

    assert told == [f"  … look · {n * 5} % · step {n}".replace(" %", "%") for n in (5, 10, 15, 20)]


def test_a_story_whose_beginning_is_gone_starts_where_it_is() -> None:
    fields = {"agent_call_id": "a1.2", "parent_call_id": "a1", "agent_name": "north"}

    assert tell([completed(41, "t9", **fields)]) == "    ✓ look · 1 · 5 ms\n"


def test_a_tool_that_another_agent_reports_on_is_its_owner_s() -> None:
    owner = {"agent_call_id": "a1.1", "parent_call_id": "a1", "agent_name": "north"}
    events = [started(1), started(2, "a1.1", "a1", "north"), executing(3, "t1", **owner), completed(4, "t1")]
    teller = Teller()
    for raw in events:
        teller.tell(decode(raw))

    assert not any(call.tools for call in teller.calls.values())
