"""How the control's runs are counted."""

from __future__ import annotations

from typing import Literal

from tests.faults.control import count
from tests.faults.history import ToolRan


def line(run_id: str, edge: Literal["start", "end"], at: float) -> ToolRan:
    return ToolRan(at=at, run_id=run_id, call_id="t1", key="", edge=edge, attempt=0, tool="measure", pid=1)


def test_runs_without_an_end_are_silent_and_some_have_two() -> None:
    counts = count(1, 0, {"a": 0, "b": 1, "c": 2}, [])

    assert (counts.runs, counts.silent, counts.more_than_one_end) == (3, 1, 1)


def test_a_call_that_is_begun_after_it_has_finished_is_repeated() -> None:
    lines = [line("a", "start", 1), line("a", "end", 2), line("a", "start", 3)]

    counts = count(1, 0, {"a": 1}, lines)

    assert (counts.tool_calls, counts.repeated, counts.begun_again) == (1, 1, 1)


def test_a_call_that_was_cut_short_and_begun_again_is_not_repeated() -> None:
    lines = [line("a", "start", 1), line("a", "start", 2), line("a", "end", 3)]

    counts = count(1, 0, {"a": 1}, lines)

    assert (counts.repeated, counts.begun_again) == (0, 1)
