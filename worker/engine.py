"""ExecutionEngine: one run from claim to last event. Knows no Celery and no Redis."""

from __future__ import annotations

import asyncio
import logging
import traceback
from contextlib import suppress
from typing import Any, Protocol

import msgspec

from worker.agent.context import RunInfo, Turn
from worker.agent.errors import AttemptLost
from worker.agent.invocation import AgentInvoker, AgentParts, AgentResult, describe
from worker.agent.notifier import AgentCall, Notifier
from worker.agent.open_calls import OpenCalls
from worker.agent.ports import EventSink
from worker.agent.redaction import Redactor
from worker.contract.codec import encode
from worker.contract.errors import FailureCode
from worker.contract.events import ROOT_CALL_ID, Event, Failure
from worker.contract.run import RunRecord, RunState
from worker.contract.scripts import Ending
from worker.outcomes import (
    WORKER_LOST,
    WORKER_STOPPED,
    Cancelled,
    Completed,
    Failed,
    Lost,
    Outcome,
    timed_out,
    unknown_agent,
)

logger = logging.getLogger(__name__)

#: How long a stopped agent may tidy up before the run is closed over its head. Part of the 2 s in which a stop is
#: visible.
STOP_GRACE_SECONDS = 1.0
#: What the record keeps of an answer for the next run of the thread.
_MAX_ANSWER_CHARACTERS = 16_000


class RunStore(Protocol):
    """What the engine needs of the log; `worker.log.RunLog` is the real one."""

    async def claim(self, run_id: str) -> RunRecord | None: ...
    def writer(self, record: RunRecord) -> EventSink: ...
    async def events(self, run_id: str) -> list[Event]: ...
    async def history(self, record: RunRecord) -> list[Turn]: ...
    async def forget_live(self, record: RunRecord) -> None: ...


class RunningRun:
    """A run that this process works on, and the wish to end it."""

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self.stop: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.done = asyncio.Event()

    def end(self, outcome: Outcome) -> None:
        """Ask for an end; the first wish counts."""
        if not self.stop.done():
            self.stop.set_result(outcome)


class ExecutionEngine:
    """Runs claimed runs, many at once on one event loop. All methods are for that loop."""

    def __init__(self, parts: AgentParts, store: RunStore, *, run_timeout_seconds: float, redactor: Redactor) -> None:
        self._parts = parts
        self._store = store
        self._run_timeout_seconds = run_timeout_seconds
        self._redactor = redactor
        self._is_draining = False
        self.running: dict[str, RunningRun] = {}

    async def execute(self, run_id: str) -> None:
        """Look at a run: if it can be claimed, bring it to its end; else leave it be.

        Safe to call for any run id, any number of times.
        """
        if run_id in self.running:
            return
        record = await self._store.claim(run_id)
        if record is None:
            return
        running = self.running[run_id] = RunningRun(record.attempt)
        if self._is_draining:
            running.end(WORKER_STOPPED)
        try:
            await self._attempt(record, running)
        except AttemptLost as reason:
            logger.warning("attempt lost", extra={"action": "attempt_lost", "run_id": run_id, "reason": str(reason)})
        finally:
            if self.running.get(run_id) is running:
                del self.running[run_id]
            running.done.set()

    async def drain(self, seconds: float) -> None:
        """Let running runs go on for a while, then end what is left, and whatever still comes, visibly."""
        ends = [asyncio.ensure_future(running.done.wait()) for running in self.running.values()]
        if ends:
            await asyncio.wait(ends, timeout=seconds)
        self._is_draining = True
        for running in self.running.values():
            running.end(WORKER_STOPPED)

    async def _attempt(self, record: RunRecord, running: RunningRun) -> None:
        notifier = Notifier(
            self._store.writer(record),
            run_id=record.run_id,
            thread_id=record.thread_id,
            attempt=record.attempt,
            redactor=self._redactor,
        )
        root = AgentCall(record.agent, ROOT_CALL_ID)
        if record.last_seq:
            outcome = await self._take_over(record, notifier)
        else:
            outcome = await self._run_root(record, running, notifier, root)
        await _end(notifier, root, outcome)
        if not isinstance(outcome, Lost):
            with suppress(Exception):
                # Only an index: whoever reads it checks the records.
                await self._store.forget_live(record)
        logger.info(
            "run ended",
            extra={
                "action": "run_ended",
                "run_id": record.run_id,
                "attempt": record.attempt,
                "outcome": type(outcome).__name__,
            },
        )

    async def _take_over(self, record: RunRecord, notifier: Notifier) -> Outcome:
        """A run whose worker died in the middle: close what it left open. Its finished steps stay readable."""
        notifier.open_calls = OpenCalls(await self._store.events(record.run_id))
        return Cancelled(record.cancel_by) if record.cancel_by else WORKER_LOST

    async def _run_root(self, record: RunRecord, running: RunningRun, notifier: Notifier, root: AgentCall) -> Outcome:
        run = RunInfo(
            run_id=record.run_id,
            thread_id=record.thread_id,
            user_id=record.user_id,
            attempt=record.attempt,
            history=await self._store.history(record),
        )
        invoker = AgentInvoker(self._parts, run=run, notifier=notifier)
        definition = self._parts.registry.get(record.agent)
        if definition is None:
            await notifier.agent_started(root, task=record.message, model=None, tools=[])
            return unknown_agent(record.agent)
        await invoker.begin(root, definition, record.message)
        if record.cancel_by:
            running.end(Cancelled(record.cancel_by))
        work = asyncio.ensure_future(invoker.perform(root, definition, record.message))
        return await self._race(work, running, notifier)

    async def _race(self, work: asyncio.Future[AgentResult], running: RunningRun, notifier: Notifier) -> Outcome:
        """Let the agent work until it ends, is asked to stop, or has had its time."""
        try:
            either: set[asyncio.Future[Any]] = {work, running.stop}
            await asyncio.wait(either, timeout=self._run_timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            work.cancel()
            raise
        if work.done() and not running.stop.done():
            return self._outcome_of(work)
        work.add_done_callback(_retrieve)
        # First: what open calls become depends on why the run ends, which only this task knows.
        notifier.begin_end()
        work.cancel()
        # An agent that swallows the cancellation is left behind; whatever it still says is refused.
        await asyncio.wait({work}, timeout=STOP_GRACE_SECONDS)
        return running.stop.result() if running.stop.done() else timed_out(self._run_timeout_seconds)

    def _outcome_of(self, work: asyncio.Future[AgentResult]) -> Outcome:
        if work.cancelled():
            return Failed(Failure(code=FailureCode.AGENT_ERROR, message="The agent gave up without an answer."))
        error = work.exception()
        if error is None:
            return Completed(work.result())
        if isinstance(error, AttemptLost):
            return Lost()
        if not isinstance(error, Exception):
            words = f"The agent ended abruptly ({type(error).__name__})."
            return Failed(Failure(code=FailureCode.AGENT_ERROR, message=words))
        failure = describe(error)
        if failure.code == FailureCode.AGENT_ERROR:
            # As text, for the authors of agents: it may hold a secret, which a handler would print.
            story = self._redactor.text("".join(traceback.format_exception(error)))
            logger.error("agent failed", extra={"action": "agent_failed", "traceback": story})
        return Failed(failure)


async def _end(notifier: Notifier, root: AgentCall, outcome: Outcome) -> None:
    """Close what is open and write the run's last event."""
    match outcome:
        case Lost():
            return
        case Completed(result):
            failure = Failure(code=FailureCode.INTERRUPTED, message="The agent ended before this did.")
            await notifier.close_open_calls(root, failure=failure, tool_status="interrupted", by="")
            ending = Ending(RunState.COMPLETED, _answer(result.value), encode(result.usage).decode())
            await notifier.agent_completed(
                root, result=result.value, duration_ms=result.duration_ms, usage=result.usage, ending=ending
            )
        case Failed(failure, tool_status):
            await notifier.close_open_calls(root, failure=failure, tool_status=tool_status, by="")
            await notifier.agent_failed(root, failure, ending=Ending(RunState.FAILED))
        case Cancelled(by):
            stopped = Failure(code=FailureCode.CANCELLED, message="The run was stopped.")
            await notifier.close_open_calls(root, failure=stopped, tool_status="cancelled", by=by)
            await notifier.agent_cancelled(root, by=by, ending=Ending(RunState.CANCELLED))


def _retrieve(work: asyncio.Future[Any]) -> None:
    if not work.cancelled():
        work.exception()


def _answer(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text[:_MAX_ANSWER_CHARACTERS]
