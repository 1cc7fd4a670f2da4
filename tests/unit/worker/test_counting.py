"""What an engine counts, over a log in memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from worker.agent.context import AgentContext
from worker.agent.definition import agent
from worker.agent.errors import LogLost
from worker.agent.invocation import AgentParts
from worker.agent.metering import RunCounts
from worker.agent.ports import Workspace
from worker.agent.redaction import Redactor
from worker.agent.registry import AgentRegistry
from worker.contract.closing import End
from worker.contract.meters import Meters
from worker.contract.run import RunRecord, RunState
from worker.engine import EngineLimits, ExecutionEngine
from worker.memory_log import MemoryLog, MemoryWriter
from worker.wiring import ScriptedModels

RUN = "run_1"


@agent()
async def greeter(ctx: AgentContext) -> str:
    """Greets."""
    return "hello"


class _LostWriter(MemoryWriter):
    async def append(self, event: Any, **parts: Any) -> None:
        raise LogLost("the server has lost what nobody can write again")


class ForgetfulLog(MemoryLog):
    """A server that has lost a run, which this worker or somebody else ends for that."""

    def __init__(self, *, is_ended_by_others: bool) -> None:
        super().__init__()
        self._is_ended_by_others = is_ended_by_others

    def writer(self, record: RunRecord) -> MemoryWriter:
        return _LostWriter(self, record)

    async def conclude(self, record: RunRecord, end: End) -> bool:
        await super().conclude(record, end)
        return not self._is_ended_by_others


@pytest.mark.parametrize(("is_ended_by_others", "counted"), [(False, 1), (True, 0)])
async def test_a_run_that_the_server_has_lost_is_counted_by_who_ended_it(
    is_ended_by_others: bool, counted: int
) -> None:
    meters, log = Meters(), ForgetfulLog(is_ended_by_others=is_ended_by_others)
    workspace = cast("Workspace", None)
    parts = AgentParts(AgentRegistry([greeter]), ScriptedModels(), ThreadPoolExecutor(1), lambda _: workspace, meters)
    engine = ExecutionEngine(parts, log, limits=EngineLimits(run_timeout=5, approval=60), redactor=Redactor())
    log.create(RUN, agent="greeter", message="hi")

    await engine.execute(RUN)

    counters = meters.snapshot().counters
    assert dict(counters["outloud_runs_ended"])[("greeter", "failed")] == counted
    assert dict(counters["outloud_runs_failed"])[("log_lost",)] == counted
    assert dict(counters["outloud_attempts_ended"])[("vanished",)] == 1


def test_how_long_a_run_waited_is_told_by_the_server_s_clock_and_without_its_back_off() -> None:
    meters = Meters()
    record = RunRecord(
        run_id=RUN,
        thread_id="thr_1",
        user_id="usr_1",
        agent="greeter",
        message="hi",
        state=RunState.RUNNING,
        created_at=1,
        attempt=2,
        queued_at=1_000,
        ready_at=3_000,
        claimed_at=4_500,
    )

    RunCounts(meters, AgentRegistry([greeter])).started(record)

    [(_, spread)] = meters.snapshot().histograms["outloud_queue_wait_seconds"]
    assert spread.total == 1.5
