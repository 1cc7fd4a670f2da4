"""ExecutionEngine: one attempt at a run, from the claim to its last word. Knows no Celery and no Redis."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, NamedTuple, Protocol

import msgspec

from worker.agent.context import RunInfo, Turn
from worker.agent.errors import AttemptLost, LogLost, LogUnavailable
from worker.agent.invocation import AgentInvoker, AgentParts, describe
from worker.agent.journal import Journal, tool_entry
from worker.agent.metering import RunCounts
from worker.agent.ports import EventSink
from worker.agent.redaction import Redactor
from worker.agent.steps import Steps
from worker.contract.clock import now_ms
from worker.contract.closing import End, stopped
from worker.contract.codec import encode
from worker.contract.errors import FailureCode
from worker.contract.events import AgentCompletedData, Failure, ToolCompletedData
from worker.contract.log_lines import bound, story_of
from worker.contract.open_calls import OpenTool
from worker.contract.run import RunRecord, RunState
from worker.contract.scripts import Ending, Entries
from worker.outcomes import (
    LOG_LOST,
    WAITS_FOR_PERSON,
    WORKER_STOPPED,
    Completed,
    Lost,
    Outcome,
    Released,
    Vanished,
    failed,
    timed_out,
    unknown_agent,
)
from worker.running import Left, RunningRun
from worker.tracing import end_attempt, tracing_attempt

logger = logging.getLogger(__name__)

#: How long a stopped agent may tidy up before the run is closed over its head. Part of the 2 s in which a stop is
#: visible.
STOP_GRACE_SECONDS = 1.0
#: What the record keeps of an answer for the next run of the thread.
_MAX_ANSWER_CHARACTERS = 16_000
_INTERRUPTED = Failure(
    code=FailureCode.INTERRUPTED,
    message="The process that ran this was lost. It is not known whether it happened.",
)


_NOTHING_LEFT = Left([], {}, {})


class RunStore(Protocol):
    """What the engine needs of the log; `worker.log.RunLog` is the real one."""

    async def claim(self, run_id: str) -> RunRecord | None: ...
    def writer(self, record: RunRecord) -> EventSink: ...
    async def left(self, record: RunRecord) -> Left: ...
    async def tool_result(self, run_id: str, call_id: str) -> bytes: ...
    async def history(self, record: RunRecord) -> list[Turn]: ...
    async def release(self, record: RunRecord, released: Released) -> None: ...
    async def conclude(self, record: RunRecord, end: End) -> bool:
        """End a run whose log is not what the attempt has written; False if others did before."""

    async def retire(self, record: RunRecord) -> None:
        """Take a finished run out of the lists, and let the next one of its thread begin."""


class EngineLimits(NamedTuple):
    """Times in seconds."""

    #: One attempt; waiting for a person does not count.
    run_timeout: float
    #: How long a person has to decide, unless the tool says otherwise.
    approval: float


class ExecutionEngine:
    """Runs claimed runs, many at once on one event loop. All methods are for that loop."""

    def __init__(self, parts: AgentParts, store: RunStore, *, limits: EngineLimits, redactor: Redactor) -> None:
        self._parts = parts
        self._store = store
        self._limits = limits
        self._redactor = redactor
        self._counts = RunCounts(parts.meter, parts.registry)
        self._is_draining = False
        self.running: dict[str, RunningRun] = {}

    @property
    def is_draining(self) -> bool:
        """Whether this process begins nothing new, because it stops."""
        return self._is_draining

    async def execute(self, run_id: str) -> bool:
        """Look at a run: if it can be claimed, work on it until it ends or is given back; else leave it be.

        Safe to call for any run id, any number of times. False: this process stops, and another one should look.
        """
        while not self._is_draining:
            if (running := self.running.get(run_id)) is not None:
                running.is_rung = True
                return True
            record = await self._store.claim(run_id)
            if record is None:
                return True
            with bound(run_id=run_id, attempt=record.attempt, thread_id=record.thread_id), tracing_attempt(record):
                if not await self._work_on(record):
                    return True
        return False

    async def _work_on(self, record: RunRecord) -> bool:
        """Work on a claimed run; returns whether someone rang for it meanwhile."""
        run_id = record.run_id
        self._counts.started(record)
        logger.info("attempt started", extra={"action": "attempt_started", "agent": record.agent})
        left = await self._store.left(record) if record.last_seq else _NOTHING_LEFT
        writer = self._store.writer(record)
        running = self.running[run_id] = RunningRun(record, left, self._counts.sink_for(record, writer), self._redactor)
        if self._is_draining:
            running.gate.close()
        try:
            await self._attempt(running)
        finally:
            if self.running.get(run_id) is running:
                del self.running[run_id]
            running.done.set()
        return running.is_rung

    async def drain(self, seconds: float) -> None:
        """Begin no further step, give runs back as their steps end, and after `seconds` those in the middle of one."""
        self._is_draining = True
        for running in self.running.values():
            running.gate.close()
        ends = [asyncio.ensure_future(running.done.wait()) for running in self.running.values()]
        if ends:
            await asyncio.wait(ends, timeout=seconds)
        for running in self.running.values():
            running.end(WORKER_STOPPED)

    async def _attempt(self, running: RunningRun) -> None:
        try:
            try:
                await self._finish(running, await self._run_root(running))
            except LogLost:
                await self._finish(running, Vanished())
        except (AttemptLost, LogUnavailable) as reason:
            # The reaper finds the run once its lease has lapsed.
            self._counts.attempt_ended("lost")
            logger.warning("attempt lost", extra={"action": "attempt_lost", "reason": str(reason)})

    async def _run_root(self, running: RunningRun) -> Outcome:
        record, root, notifier = running.record, running.root, running.notifier
        if record.cancel_by and record.last_seq:
            return stopped(record.cancel_by)
        await self._take_over(running)
        definition = self._parts.registry.get(record.agent)
        if definition is None:
            await notifier.agent_started(root, task=record.message, model=None, tools=[])
            return unknown_agent(record.agent)
        run = RunInfo(
            run_id=record.run_id,
            thread_id=record.thread_id,
            user_id=record.user_id,
            attempt=record.attempt,
            history=await self._store.history(record),
        )
        invoker = AgentInvoker(self._parts, run=run, notifier=notifier, steps=self._steps(running))
        await invoker.begin(root, definition, record.message)
        if record.cancel_by:
            running.end(stopped(record.cancel_by))
        work = asyncio.ensure_future(invoker.perform(root, definition, record.message))
        return await self._race(work, running)

    def _steps(self, running: RunningRun) -> Steps:
        run_id = running.record.run_id
        return Steps(
            journal=running.journal,
            gate=running.gate,
            approvals=running.left.approvals,
            load_result=lambda call_id: self._store.tool_result(run_id, call_id),
            approval_seconds=self._limits.approval,
            meter=self._parts.meter,
        )

    async def _take_over(self, running: RunningRun) -> None:
        """Say that this attempt goes on where another one stopped, and close the calls whose end nobody knows."""
        if running.record.resume_reason:
            await running.notifier.run_resumed(running.root, running.record.resume_reason)
        for item in running.notifier.open_calls.innermost_first():
            if isinstance(item, OpenTool) and self._is_torn(item, running.journal):
                await _interrupt(item, running)

    def _is_torn(self, item: OpenTool, journal: Journal) -> bool:
        """Whether the tool's code may have run, and may not run again."""
        step = journal.tools.get(item.call_id)
        if step is not None and not step.running:
            return False
        agent = self._parts.registry.get(item.event.agent_name)
        tools = agent.tools if agent is not None else ()
        return not any(tool.name == item.tool_name and tool.idempotent for tool in tools)

    async def _race(self, work: asyncio.Future[AgentCompletedData], running: RunningRun) -> Outcome:
        """Let the agent work until it ends, is asked to stop, waits at the gate, or has had its time."""
        waits = asyncio.ensure_future(running.gate.all_wait())
        try:
            any_of: set[asyncio.Future[Any]] = {work, running.stop, waits}
            await asyncio.wait(any_of, timeout=self._limits.run_timeout, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            work.cancel()
            raise
        finally:
            waits.cancel()
        if work.done() and not running.stop.done():
            return self._outcome_of(work)
        if waits.done() and not waits.cancelled():
            running.end(WORKER_STOPPED if self._is_draining else WAITS_FOR_PERSON)
        work.add_done_callback(_retrieve)
        # First: what open calls become depends on why the run ends, which only this task knows.
        running.notifier.begin_end()
        work.cancel()
        # An agent that swallows the cancellation is left behind; whatever it still says is refused.
        await asyncio.wait({work}, timeout=STOP_GRACE_SECONDS)
        return running.stop.result() if running.stop.done() else timed_out(self._limits.run_timeout)

    def _outcome_of(self, work: asyncio.Future[AgentCompletedData]) -> Outcome:
        if work.cancelled():
            return failed(FailureCode.AGENT_ERROR, "The agent gave up without an answer.")
        error = work.exception()
        match error:
            case None:
                return Completed(work.result())
            case AttemptLost() | LogUnavailable():
                return Lost()
            case LogLost():
                return Vanished()
            case Exception():
                return End(self._described(error))
            case _:
                return failed(FailureCode.AGENT_ERROR, f"The agent ended abruptly ({type(error).__name__}).")

    def _described(self, error: Exception) -> Failure:
        failure = describe(error)
        if failure.code == FailureCode.AGENT_ERROR:
            # For the authors of agents. What the error says may quote a message, an argument or a secret, so it is only
            # said to who asks for it, and then without the secrets that are known.
            logger.error("agent failed", extra=_failure_facts(story_of(error, with_words=False)))
            if logger.isEnabledFor(logging.DEBUG):
                story = self._redactor.text(story_of(error, with_words=True))
                logger.debug("agent failed, in its words", extra=_failure_facts(story))
        return failure

    async def _finish(self, running: RunningRun, outcome: Outcome) -> None:
        """Write the run's last event, or give the run back."""
        record, notifier, root = running.record, running.notifier, running.root
        match outcome:
            case Completed(data):
                await notifier.close_open_calls(_LEFT_BEHIND)
                ending = Ending(RunState.COMPLETED, _answer(data.result), encode(data.usage).decode())
                await notifier.agent_completed(root, data, ending=ending)
            case End():
                await notifier.end(root, outcome)
            case Vanished():
                if await self._store.conclude(record, LOG_LOST):
                    self._counts.run_ended(record, LOG_LOST)
            case Released():
                await notifier.fall_silent()
                await self._store.release(record, outcome)
        if not isinstance(outcome, Released | Lost):
            await self._store.retire(record)
        end_attempt(outcome)
        self._counts.attempt_ended(_name(outcome))
        logger.info("attempt ended", extra={"action": "attempt_ended", "outcome": _name(outcome)})


_LEFT_BEHIND = failed(FailureCode.INTERRUPTED, "The agent ended before this did.")


async def _interrupt(item: OpenTool, running: RunningRun) -> None:
    """Close a tool call that an earlier attempt was in the middle of."""
    step = running.journal.interrupt(item.call_id, item.tool_name, _INTERRUPTED)
    data = ToolCompletedData(
        call_id=item.call_id,
        tool_name=item.tool_name,
        status="interrupted",
        duration_ms=max(0, now_ms() - item.began_at),
        error=_INTERRUPTED,
    )
    notifier = running.notifier
    await notifier.tool_completed(notifier.call_of(item), data, entries=Entries(journal=tool_entry(item.call_id, step)))


def _name(outcome: Outcome) -> str:
    match outcome:
        case End():
            return outcome.state
        case Released(state, _):
            return state
        case _:
            return type(outcome).__name__.lower()


def _failure_facts(story: str) -> dict[str, str]:
    return {"action": "agent_failed", "traceback": story}


def _retrieve(work: asyncio.Future[Any]) -> None:
    if not work.cancelled():
        work.exception()


def _answer(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text[:_MAX_ANSWER_CHARACTERS]
