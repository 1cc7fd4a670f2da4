"""Counts what an attempt does, by standing around its event sink and its model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Set
from contextlib import asynccontextmanager, contextmanager
from itertools import product
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from worker.agent.errors import AgentError
from worker.agent.ports import EventSink, ModelSource
from worker.agent.registry import AgentRegistry
from worker.contract.clock import now_ms
from worker.contract.closing import End
from worker.contract.events import AgentCancelled, AgentCompleted, AgentFailed, Event, ToolCompleted
from worker.contract.metric import UNKNOWN, Meter
from worker.contract.metrics import (
    ATTEMPTS_ENDED,
    ATTEMPTS_STARTED,
    FIRST_EVENT_SECONDS,
    MODEL_CALLS,
    MODEL_FIRST_SECONDS,
    MODEL_SECONDS,
    MODEL_TOKENS,
    QUEUE_SECONDS,
    RUN_SECONDS,
    RUNS_ENDED,
    RUNS_FAILED,
    TOOL_CALLS,
    WRITE_SECONDS,
)
from worker.contract.run import RunRecord, RunState
from worker.contract.scripts import NO_ENTRIES, Ending, Entries, ToolResult

_OUTCOMES = (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED)


class RunCounts:
    """Counts the runs of a process. Agents and tools are named by their registry only: a model may ask for any name."""

    def __init__(self, meter: Meter, registry: AgentRegistry) -> None:
        self._meter = meter
        self._registry = registry
        self._tools = frozenset(tool.name for definition in registry for tool in definition.tools)
        # Prometheus sees no rise in a series that appears with a 1.
        for agent, outcome in product((definition.name for definition in registry), _OUTCOMES):
            meter.count(RUNS_ENDED, agent, outcome, by=0)
        for tool, status in product(self._tools, ("ok", "error")):
            meter.count(TOOL_CALLS, tool, status, by=0)

    def started(self, record: RunRecord) -> None:
        """An attempt was claimed."""
        kind = "first" if record.attempt == 1 else "again"
        self._meter.count(ATTEMPTS_STARTED, self._agent_of(record), kind)
        self._meter.observe(QUEUE_SECONDS, _seconds_since(max(record.queued_at, record.ready_at)))

    def sink_for(self, record: RunRecord, sink: EventSink) -> EventSink:
        """Count what an attempt writes to its sink."""
        return MeteredSink(sink, self._meter, record=record, agent=self._agent_of(record), tools=self._tools)

    def attempt_ended(self, outcome: str) -> None:
        self._meter.count(ATTEMPTS_ENDED, outcome)

    def run_ended(self, record: RunRecord, end: End) -> None:
        """A run was ended otherwise than by its attempt's last event."""
        self._meter.count(RUNS_ENDED, self._agent_of(record), end.state)
        self._meter.count(RUNS_FAILED, end.failure.code)

    def _agent_of(self, record: RunRecord) -> str:
        return record.agent if self._registry.get(record.agent) is not None else UNKNOWN


class MeteredSink:
    """The event sink of one attempt, which counts what the log has taken."""

    def __init__(self, sink: EventSink, meter: Meter, *, record: RunRecord, agent: str, tools: Set[str]) -> None:
        self._sink = sink
        self._meter = meter
        self._record = record
        self._agent = agent
        self._tools = tools
        self._is_first = not record.last_seq

    @property
    def written(self) -> int:
        return self._sink.written

    async def recover(self) -> None:
        await self._sink.recover()

    async def append(
        self,
        event: Event | None,
        *,
        ending: Ending | None = None,
        result: ToolResult | None = None,
        entries: Entries = NO_ENTRIES,
        quiet_seconds: float = 0.0,
    ) -> None:
        began_at = time.perf_counter()
        await self._sink.append(event, ending=ending, result=result, entries=entries, quiet_seconds=quiet_seconds)
        self._meter.observe(WRITE_SECONDS, time.perf_counter() - began_at)
        if event is not None:
            self._count(event)

    def _count(self, event: Event) -> None:
        if self._is_first:
            self._is_first = False
            self._meter.observe(FIRST_EVENT_SECONDS, _seconds_since(self._record.queued_at))
        match event:
            case ToolCompleted(data=data):
                self._meter.count(TOOL_CALLS, self._known(data.tool_name), data.status)
            case AgentCompleted(terminal=True) | AgentFailed(terminal=True) | AgentCancelled(terminal=True):
                self._count_end(event)

    def _count_end(self, event: AgentCompleted | AgentFailed | AgentCancelled) -> None:
        match event:
            case AgentCompleted():
                outcome = RunState.COMPLETED
            case AgentCancelled():
                outcome = RunState.CANCELLED
            case AgentFailed(data=data):
                outcome = RunState.FAILED
                self._meter.count(RUNS_FAILED, data.error.code)
        self._meter.count(RUNS_ENDED, self._agent, outcome)
        self._meter.observe(RUN_SECONDS, _seconds_since(self._record.started_at), self._agent)

    def _known(self, tool_name: str) -> str:
        return tool_name if tool_name in self._tools else UNKNOWN


class MeteredModel(WrapperModel):
    """A model whose requests are counted, with all the tries that one takes."""

    def __init__(self, wrapped: Model, meter: Meter, source: ModelSource) -> None:
        super().__init__(wrapped)
        self._meter = meter
        self._label = source.label
        #: The library guesses tokens for a model that has none.
        self._has_tokens = not source.offline

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        with self._measured() as note_answer:
            response = await self.wrapped.request(messages, model_settings, model_request_parameters)
            note_answer(response)
            return response

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        began_at = time.perf_counter()
        with self._measured() as note_answer:
            # Entered when the first piece is here: see `RetryingModel`.
            async with self.wrapped.request_stream(
                messages, model_settings, model_request_parameters, run_context
            ) as stream:
                self._meter.observe(MODEL_FIRST_SECONDS, time.perf_counter() - began_at, self._label)
                yield stream
                note_answer(stream.get())

    @contextmanager
    def _measured(self) -> Iterator[Callable[[ModelResponse], None]]:
        began_at = time.perf_counter()
        outcome = "error"
        try:
            yield self._note_tokens
            outcome = "ok"
        except (asyncio.CancelledError, GeneratorExit):
            outcome = "cancelled"
            raise
        except AgentError as error:
            outcome = error.failure.code
            raise
        finally:
            self._meter.count(MODEL_CALLS, self._label, outcome)
            self._meter.observe(MODEL_SECONDS, time.perf_counter() - began_at, self._label)

    def _note_tokens(self, response: ModelResponse) -> None:
        if self._has_tokens:
            self._meter.count(MODEL_TOKENS, self._label, "input", by=response.usage.input_tokens or 0)
            self._meter.count(MODEL_TOKENS, self._label, "output", by=response.usage.output_tokens or 0)


def _seconds_since(moment_ms: int) -> float:
    """The server gave the moment; a clock that is behind it must not make the sum shrink."""
    return max(0, now_ms() - moment_ms) / 1000
