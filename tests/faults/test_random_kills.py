"""What an outsider would try first: twelve runs, and kill -9 of worker, web process and Redis at random moments."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.faults.checker import check
from tests.faults.fleet import running_fleet
from tests.faults.history import Entry, FinalRun, ToolRan, of
from tests.faults.play import play
from tests.faults.schedule import Fault, Schedule, only
from tests.faults.script import ScriptedModel
from tests.support.model_provider import ModelProvider

RUNS = 12
SECONDS = 5.0


def schedule(seed: int) -> Schedule:
    rng = random.Random(seed)
    kills = [Fault(at=rng.uniform(0.5, SECONDS), kind=f"{what}_kill") for what in ("worker", "web", "redis") * 2]
    plan = only(seed, sorted(kills, key=lambda fault: fault.at), agents=("sequence",), count=RUNS)
    runs = tuple(msgspec.structs.replace(run, at=rng.uniform(0, SECONDS)) for run in plan.runs)
    return msgspec.structs.replace(plan, runs=runs)


def test_twelve_runs_survive_kills_of_everything_and_no_finished_tool_runs_twice(tmp_path: Path) -> None:
    with ModelProvider() as provider, running_fleet(tmp_path, workers=1, webs=1) as fleet:
        entries = play(fleet, schedule(7), ScriptedModel(provider))

    runs = of(FinalRun, entries)
    assert [run.record["state"] for run in runs] == ["completed"] * RUNS
    assert finished_more_than_once(entries) == []
    assert check(entries) == []


def finished_more_than_once(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Tool calls whose function came to its end twice, by the file in which it counts itself."""
    ends = Counter((line.run_id, line.call_id) for line in of(ToolRan, entries) if line.edge == "end")
    return [call for call, times in ends.items() if times > 1]
