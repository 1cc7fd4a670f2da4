"""Runs agents by name, for a run's root and for whatever it delegates to, each shown as a call of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, NamedTuple

import msgspec
from pydantic_ai.models import Model
from pydantic_core import to_json

from worker.agent.calls import AgentCall
from worker.agent.containment import contained
from worker.agent.context import AgentContext, RunInfo
from worker.agent.definition import AgentDefinition
from worker.agent.dispatcher import ToolDispatcher
from worker.agent.errors import AgentError, DelegateFailed, EventLimitReached, LogUnavailable
from worker.agent.journal import AgentStep, agent_entry, digest_of
from worker.agent.journaling import JournalingModel
from worker.agent.llm import run_llm_agent
from worker.agent.notifier import Notifier
from worker.agent.ports import ModelSource, Workspace
from worker.agent.registry import AgentRegistry
from worker.agent.results import MAX_INLINE_BYTES, to_result
from worker.agent.steps import Steps
from worker.agent.tool_engine import ToolExecutionEngine, ToolScope
from worker.agent.tracing import note_retry, note_usage, tracing_agent
from worker.agent.watched_model import WatchedModel
from worker.contract.clock import now_ms
from worker.contract.codec import encode
from worker.contract.errors import FailureCode
from worker.contract.events import AgentCompletedData, Failure, Usage
from worker.contract.metric import UNMETERED, Meter
from worker.contract.metrics import MODEL_RETRIES
from worker.contract.scripts import NO_ENTRIES, Entries

#: Agents that ask agents that ask agents … deeper than this are going in circles.
MAX_DEPTH = 5


class AgentParts(NamedTuple):
    """What every agent call of a worker is built from. Holds nothing of any user."""

    registry: AgentRegistry
    models: ModelSource
    executor: Executor
    workspace: Callable[[str], Workspace]
    meter: Meter = UNMETERED


class AgentInvoker:
    """Runs the agents of one attempt."""

    def __init__(self, parts: AgentParts, *, run: RunInfo, notifier: Notifier, steps: Steps) -> None:
        self._parts = parts
        self._run = run
        self._notifier = notifier
        self._steps = steps
        self._usage: dict[str, Usage] = {}

    async def begin(
        self, call: AgentCall, definition: AgentDefinition, task: str, entries: Entries = NO_ENTRIES
    ) -> None:
        """Show that an agent begins, unless an earlier attempt has."""
        await self._notifier.agent_started(
            call,
            task=task,
            model=self._parts.models.label if definition.instructions is not None else None,
            tools=[tool.name for tool in definition.tools],
            entries=entries,
        )

    async def perform(self, call: AgentCall, definition: AgentDefinition, task: str) -> AgentCompletedData:
        """Run an agent that has been shown to begin; how it ends is for the caller to show."""
        run = self._run
        with tracing_agent(call, run_id=run.run_id, thread_id=run.thread_id, attempt=run.attempt) as span:
            data = await self._perform(call, definition, task)
            note_usage(span, data.usage)
            return data

    async def _perform(self, call: AgentCall, definition: AgentDefinition, task: str) -> AgentCompletedData:
        began_at = self._notifier.began_at(call) or now_ms()
        context = self._context(call, definition, task)
        try:
            value = await self._value(call, definition, context)
        finally:
            await self._notifier.flush()
        value = await asyncio.to_thread(_fitting, definition.name, value)
        return AgentCompletedData(
            result=value,
            duration_ms=max(0, now_ms() - began_at),
            usage=self._usage.get(call.call_id, Usage()),
        )

    async def delegate(self, parent: AgentCall, agent_name: str, task: str) -> Any:
        """Run an agent inside another one and show all of it.

        Raises:
            DelegateFailed: It could not.
        """
        definition = self._parts.registry.get(agent_name)
        if definition is None or parent.depth + 1 >= MAX_DEPTH:
            raise DelegateFailed(_refusal(agent_name, known=definition is not None))
        digest = digest_of(task)
        found = self._steps.journal.delegation(parent.call_id, agent_name, digest)
        if found is not None and found.step.has_ended:
            return self._recall(parent, found.step)
        step = AgentStep(name=agent_name, task=digest)
        call = parent.child(agent_name, found.call_id if found else self._new_id(parent))
        if found is None:
            async with self._steps.gate.step():
                await self.begin(call, definition, task, Entries(journal=agent_entry(call.call_id, step)))
        try:
            result = await self.perform(call, definition, task)
        except (LogUnavailable, EventLimitReached):
            raise
        except Exception as error:
            # A cancelled call is no Exception: it is closed with everything else, for a reason that only the engine
            # knows.
            failure = describe(error)
            failed = msgspec.structs.replace(step, failure=failure)
            await self._notifier.agent_failed(call, failure, entries=Entries(journal=agent_entry(call.call_id, failed)))
            raise DelegateFailed(failure) from error
        ended = msgspec.structs.replace(step, result=msgspec.Raw(encode(result.result)), usage=result.usage)
        await self._notifier.agent_completed(call, result, entries=Entries(journal=agent_entry(call.call_id, ended)))
        self._add_usage(parent, result.usage)
        return result.result

    def _recall(self, parent: AgentCall, step: AgentStep) -> Any:
        """Answer as the delegation was answered before."""
        self._steps.note_replayed("agent")
        if step.failure is not None:
            raise DelegateFailed(step.failure)
        self._add_usage(parent, step.usage or Usage())
        return msgspec.json.decode(step.result)

    def _new_id(self, parent: AgentCall) -> str:
        while self._steps.journal.is_known(call_id := parent.next_child_id()):
            continue
        return call_id

    async def _value(self, call: AgentCall, definition: AgentDefinition, context: AgentContext) -> Any:
        if definition.function is not None:
            value = await contained(definition.name, definition.function(context))
            self._add_usage(call, Usage(tool_calls=context.tools.calls_made))
            return context.said if value is None else value
        model = self._model(call, context)
        answer = await run_llm_agent(definition, context, self._parts.models, model, history=call.depth == 0)
        self._add_usage(call, answer.usage)
        return answer.text

    def _model(self, call: AgentCall, context: AgentContext) -> Model:
        models, meter = self._parts.models, self._steps.meter

        async def on_retry(words: str) -> None:
            meter.count(MODEL_RETRIES, models.label)
            note_retry()
            await context.think(words)

        real = WatchedModel(models.model(on_retry=on_retry), meter, models)
        return JournalingModel(real, call=call, steps=self._steps, notifier=self._notifier)

    def _context(self, call: AgentCall, definition: AgentDefinition, task: str) -> AgentContext:
        workspace = self._parts.workspace(self._run.user_id)
        scope = ToolScope(self._run.run_id, self._run.thread_id, self._run.user_id, workspace)
        dispatcher = ToolDispatcher(definition.tools, executor=self._parts.executor)
        return AgentContext(
            run=self._run,
            call=call,
            input=task,
            tools=ToolExecutionEngine(dispatcher, self._notifier, call=call, scope=scope, steps=self._steps),
            notifier=self._notifier,
            delegate=self.delegate,
        )

    def _add_usage(self, call: AgentCall, usage: Usage) -> None:
        self._usage[call.call_id] = self._usage.get(call.call_id, Usage()) + usage


def describe(error: Exception) -> Failure:
    """Put an error into words for the person who watches."""
    if isinstance(error, AgentError):
        return error.failure
    words = str(error).strip() or type(error).__name__
    return Failure(code=FailureCode.AGENT_ERROR, message=f"The agent failed: {words[:1500]}")


def _fitting(agent_name: str, value: Any) -> Any:
    """The result as an event can carry it. A long text is cut: all of it has been shown as it was said."""
    result = to_result(agent_name, value)
    if not result.truncated:
        return result.shown
    if isinstance(value, str):
        return _cut(value)
    raise AgentError(
        f"{agent_name} answered with {len(result.body):,} bytes; at most {MAX_INLINE_BYTES:,} can be shown."
    )


def _cut(text: str) -> str:
    """As much of a text as fits, measured as JSON, where a character may take six bytes."""
    while len(to_json(text)) > MAX_INLINE_BYTES - 8:
        text = text[: len(text) * 3 // 4]
    return text + "…"


def _refusal(agent_name: str, *, known: bool) -> Failure:
    if known:
        return Failure(
            code=FailureCode.STEP_LIMIT, message=f"{agent_name} was not asked: agents would be nested too deeply."
        )
    return Failure(code=FailureCode.UNKNOWN_AGENT, message=f"There is no agent named {agent_name[:60]!r}.")
