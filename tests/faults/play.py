"""Plays one schedule on a fleet: load, faults, healing, quiet. What comes out is a history."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import redis
import uvloop

from tests.faults.collecting import final_runs, is_over, resources
from tests.faults.counting import read_counter
from tests.faults.fleet import Fleet
from tests.faults.history import Begun, Entry, History, Quiet, Resources, of
from tests.faults.inject import Injector
from tests.faults.load import Person
from tests.faults.schedule import Fault, Schedule
from tests.faults.script import ScriptedModel
from tests.faults.system_rules import SLACK
from tests.faults.viewers import Viewer

#: After the last healing, until every run is over and every viewer has seen it.
QUIET_SECONDS = 35.0
#: What was closed last may take a moment to be gone.
_SETTLE_SECONDS = 5.0
_POLL_SECONDS = 0.1


def play(
    fleet: Fleet, schedule: Schedule, model: ScriptedModel, *, quiet_seconds: float = QUIET_SECONDS
) -> Sequence[Entry]:
    """Play it; blocks for some ten seconds."""
    history = History()
    fleet.say = history.add
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_play(fleet, schedule, model, history, quiet_seconds))
    return history.entries


async def _play(fleet: Fleet, schedule: Schedule, model: ScriptedModel, history: History, quiet_seconds: float) -> None:
    person = Person(fleet.urls, history, random.Random(f"{schedule.seed} person"))
    await person.sign_in()
    for held in await asyncio.to_thread(_held_when_new, fleet):
        history.add(held)
    counted = fleet.counter.stat().st_size if fleet.counter.exists() else 0
    history.add(Begun(schedule=schedule))
    viewers = person.viewers(schedule)
    load = _Tasks([*(person.ask_for(run) for run in schedule.runs), *(viewer.watch() for viewer in viewers)])
    injector = Injector(fleet, history)
    try:
        async with asyncio.TaskGroup() as faults:
            for fault in schedule.faults:
                faults.create_task(_later(injector, fault))
        await asyncio.to_thread(fleet.wait_until_ready)
        await _wait_for_quiet(fleet, schedule, person, viewers, history, quiet_seconds)
    finally:
        await load.end()
        await person.close()
    await asyncio.to_thread(_collect, fleet, schedule, person.user_id, model, history, counted)


def _held_when_new(fleet: Fleet) -> list[Resources]:
    """What the processes held before the fleet's first seed, so that a leak of a little per seed adds up."""
    if not fleet.held_when_new:
        fleet.held_when_new = list(resources(fleet, "before"))
    return fleet.held_when_new


class _Tasks:
    """Tasks that may outlive what they were for; what they raise comes out at the end."""

    def __init__(self, work: Sequence[Coroutine[Any, Any, None]]) -> None:
        self._tasks = [asyncio.create_task(one) for one in work]

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


async def _later(injector: Injector, fault: Fault) -> None:
    await asyncio.sleep(fault.at)
    await injector.carry_out(fault)


async def _wait_for_quiet(
    fleet: Fleet,
    schedule: Schedule,
    person: Person,
    viewers: Sequence[Viewer],
    history: History,
    quiet_seconds: float,
) -> None:
    healed_at = time.time()
    deadline = time.monotonic() + quiet_seconds
    while True:
        missing = [run.name for run in schedule.runs if not person.has_accepted(run.name)]
        open_runs = [*missing, *await asyncio.to_thread(_open_runs, fleet, person.run_ids)]
        open_viewers = [viewer.plan.name for viewer in viewers if not viewer.is_done]
        is_late = time.monotonic() > deadline
        if is_late or not (open_runs or open_viewers):
            history.add(
                Quiet(
                    healed_at=healed_at,
                    in_time=not is_late,
                    open_runs=tuple(open_runs),
                    open_viewers=tuple(open_viewers),
                )
            )
            return
        await asyncio.sleep(_POLL_SECONDS)


def _open_runs(fleet: Fleet, run_ids: Sequence[str]) -> list[str]:
    with fleet.connect() as client:
        try:
            return [run_id for run_id in run_ids if not is_over(client, run_id)]
        except redis.RedisError:
            return list(run_ids)


def _collect(
    fleet: Fleet, schedule: Schedule, user_id: str, model: ScriptedModel, history: History, counted: int
) -> None:
    with fleet.connect() as client:
        for final in final_runs(client, user_id):
            history.add(final)
    for entry in [*read_counter(fleet.counter, start=counted), *model.asked([run.name for run in schedule.runs])]:
        history.add(entry)
    for held in _settled(fleet, history.entries):
        history.add(held)


def _settled(fleet: Fleet, entries: Sequence[Entry]) -> list[Resources]:
    """What is held when the dust has settled."""
    before = {entry.name: entry.held for entry in of(Resources, entries)}
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        found = list(resources(fleet, "after"))
        is_back = all(
            count <= before[one.name][what] + SLACK[what] for one in found for what, count in one.held.items()
        )
        if is_back or time.monotonic() > deadline:
            return found
        time.sleep(_POLL_SECONDS)
