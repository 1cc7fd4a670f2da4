"""Golden stories: the same files are read by the page's tests, so that both sides mean the same by an event."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from worker.contract import codec
from worker.contract.cursor import parse_cursor
from worker.contract.events import (
    EVENT_TYPES,
    AgentCancelled,
    AgentCompleted,
    AgentFailed,
    AgentStarted,
    ApprovalResolved,
    Event,
    RunResumed,
    ToolCompleted,
    ToolExecuting,
)

FOLDER = Path(__file__).parents[2] / "fixtures" / "events"
STORIES = sorted(FOLDER.glob("*.json"))
ENDINGS = (AgentCompleted, AgentFailed, AgentCancelled)

every_story = pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)


def raw_events(path: Path) -> list[bytes]:
    """The events as they are on the wire."""
    return [bytes(raw) for raw in msgspec.json.decode(path.read_bytes(), type=list[msgspec.Raw])]


def events_of(path: Path) -> list[Event]:
    return [codec.decode(raw) for raw in raw_events(path)]


def test_the_stories_show_every_event_type() -> None:
    seen = {codec.peek(raw).type for path in STORIES for raw in raw_events(path)}
    assert seen == set(EVENT_TYPES)


@every_story
def test_a_story_is_written_as_it_was_read(path: Path) -> None:
    assert [codec.encode(event) for event in events_of(path)] == raw_events(path)


@every_story
def test_the_header_can_be_read_without_the_rest(path: Path) -> None:
    for raw, event in zip(raw_events(path), events_of(path), strict=True):
        assert codec.peek(raw)[1:] == (event.seq, event.cursor, event.terminal)
        assert len(raw) <= codec.MAX_EVENT_BYTES


@every_story
def test_events_are_numbered_without_a_hole(path: Path) -> None:
    events = events_of(path)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [parse_cursor(event.cursor).seq for event in events] == [event.seq for event in events]
    assert len({(event.run_id, event.thread_id) for event in events}) == 1


@every_story
def test_the_root_agent_begins_and_ends_the_story(path: Path) -> None:
    events = events_of(path)
    first, last = events[0], events[-1]
    assert isinstance(first, AgentStarted)
    assert isinstance(last, ENDINGS)
    assert first.parent_call_id is None
    assert last.agent_call_id == first.agent_call_id
    assert [event.seq for event in events if event.terminal] == [last.seq]


@every_story
def test_every_agent_call_has_one_beginning_and_one_end(path: Path) -> None:
    events = events_of(path)
    begun = Counter(event.agent_call_id for event in events if isinstance(event, AgentStarted))
    ended = Counter(event.agent_call_id for event in events if isinstance(event, ENDINGS))
    assert begun == ended
    assert set(begun.values()) == {1}


@every_story
def test_a_nested_agent_works_inside_the_call_that_delegated_to_it(path: Path) -> None:
    running: list[str] = []
    for event in events_of(path):
        if isinstance(event, AgentStarted):
            assert event.parent_call_id is None or event.parent_call_id in running
            running.append(event.agent_call_id)
        assert event.agent_call_id in running
        if isinstance(event, ENDINGS):
            running.remove(event.agent_call_id)
    assert running == []


@every_story
def test_every_tool_call_is_closed_once_after_it_was_opened(path: Path) -> None:
    is_open: set[str] = set()
    closed: set[str] = set()
    for event in events_of(path):
        if isinstance(event, ToolExecuting):
            is_open.add(event.data.call_id)
        if isinstance(event, ToolCompleted):
            is_open.remove(event.data.call_id)
            assert event.data.call_id not in closed
            closed.add(event.data.call_id)
            assert (event.data.error is None) == (event.data.status == "ok")
    assert is_open == set()


@every_story
def test_attempts_never_go_back_and_a_new_one_says_so_unless_a_person_let_it_begin(path: Path) -> None:
    events = events_of(path)
    attempts = [event.attempt for event in events]
    assert attempts == sorted(attempts)
    for before, after in pairwise(events):
        is_newer = after.attempt > before.attempt
        assert is_newer == isinstance(before, ApprovalResolved) or isinstance(after, RunResumed)
