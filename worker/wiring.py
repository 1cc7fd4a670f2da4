"""The wiring check: runs every registered agent with a scripted model and looks at the log.

While it runs, each tool's function is replaced by a probe that notes whether `ToolExecutionEngine` is around it. An
agent is wired when its log tells a whole story and every tool that ran is in it. No model and no tool is really called;
a plain agent's own code does run.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, cast

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from worker.agent.definition import AgentDefinition
from worker.agent.invocation import AgentParts
from worker.agent.ports import Workspace
from worker.agent.redaction import Redactor
from worker.agent.registry import AgentRegistry
from worker.agent.tool import Tool
from worker.agent.tool_engine import current_call_id
from worker.agent.toolset import DELEGATE
from worker.contract.events import AgentStarted, Event, ToolCompleted, ToolExecuting
from worker.engine import EngineLimits, ExecutionEngine, RunStore
from worker.memory_log import MemoryLog

#: A plain agent that does not end within this long, without any real tool, is stuck.
CHECK_SECONDS = 10.0
#: How the ids of runs begin that are nobody's.
RUN_PREFIX = "run_check"


class Wiring(NamedTuple):
    """What was found about one agent; wired when there is no problem."""

    agent: str
    problems: list[str]


#: What the probes saw: a tool's name, and the id of the call that was shown around it; None for none.
Ran = list[tuple[str, str | None]]


class ReadableStore(RunStore, Protocol):
    """A store whose stories can be read."""

    async def events(self, run_id: str) -> list[Event]: ...


#: Stores a run of this agent as queued and returns its id.
CreateRun = Callable[[str, str], Awaitable[None]]


async def check_wiring(registry: AgentRegistry, store: ReadableStore, create: CreateRun) -> list[Wiring]:
    """Check every agent, one after another. `create(run_id, agent)` stores a queued run in the log behind `store`."""
    with ThreadPoolExecutor(2, thread_name_prefix="check") as executor, _quiet_engine(), _probes(registry) as ran:
        workspace = cast("Workspace", object())
        parts = AgentParts(registry, ScriptedModels(), executor, lambda _: workspace)
        limits = EngineLimits(run_timeout=CHECK_SECONDS, approval=CHECK_SECONDS)
        engine = ExecutionEngine(parts, store, limits=limits, redactor=Redactor())
        return [Wiring(agent.name, await _check(agent, engine, store, create, ran)) for agent in registry]


def problems_of(found: Sequence[Wiring]) -> list[str]:
    """Name what is wrong with which agent."""
    return [f"{agent}: {problem}" for agent, problems in found for problem in problems]


async def quick_check(registry: AgentRegistry) -> list[Wiring]:
    """The same with a log in memory: for the start of a worker, where it costs well under a second."""
    log = MemoryLog()

    async def create(run_id: str, agent: str) -> None:
        log.create(run_id, agent=agent, message="check")

    return await check_wiring(registry, log, create)


async def _check(
    definition: AgentDefinition, engine: ExecutionEngine, store: ReadableStore, create: CreateRun, ran: Ran
) -> list[str]:
    run_id = f"{RUN_PREFIX}{secrets.token_hex(12)}"
    await create(run_id, definition.name)
    ran.clear()
    await engine.execute(run_id)
    return find_problems(definition, await store.events(run_id), ran)


def find_problems(definition: AgentDefinition, events: list[Event], ran: Ran) -> list[str]:
    """Hold the story of a run against what the probes saw (tool name, call id). No I/O."""
    problems: list[str] = []
    if not events or not isinstance(events[0], AgentStarted):
        problems.append("its story does not begin with agent_started")
    if [event.terminal for event in events].count(True) != 1 or not events[-1].terminal:
        problems.append("its story does not end with exactly one last event")
    begun = {event.data.call_id: event.data.tool_name for event in events if isinstance(event, ToolExecuting)}
    ended = sorted(event.data.call_id for event in events if isinstance(event, ToolCompleted))
    if ended != sorted(begun):
        problems.append("a tool call is not shown from begin to end")
    problems += [f"tool {name} ran without being shown" for name, call_id in ran if begun.get(call_id or "") != name]
    if definition.instructions is not None:
        seen = {name for name, _ in ran}
        problems += [
            f"tool {tool.name} was asked for but did not run" for tool in definition.tools if tool.name not in seen
        ]
    return problems


@contextmanager
def _quiet_engine() -> Iterator[None]:
    """An agent may well fail over a scripted model's answers; nobody needs to be told."""
    logger = logging.getLogger(ExecutionEngine.__module__)
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = False


@contextmanager
def _probes(registry: AgentRegistry) -> Iterator[Ran]:
    """Put a probe in the place of each tool's function: in the tool itself, so that a way around the engine meets it
    too.
    """
    ran: Ran = []
    tools = {id(tool): tool for definition in registry for tool in definition.tools}.values()
    originals = [(tool, tool.function, tool.validate, tool.requires_approval) for tool in tools]
    try:
        for tool in tools:
            # Nobody is there to allow anything.
            _replace(tool, function=_probe(tool.name, ran), validate=dict, requires_approval=False)
        yield ran
    finally:
        for tool, function, validate, requires_approval in originals:
            _replace(tool, function=function, validate=validate, requires_approval=requires_approval)


def _probe(name: str, ran: Ran) -> Callable[..., Any]:
    async def probe(*_: Any, **__: Any) -> dict[str, Any]:
        ran.append((name, current_call_id.get()))
        return {}

    return probe


def _replace(tool: Tool, **fields: Any) -> None:
    for name, value in fields.items():
        object.__setattr__(tool, name, value)


class ScriptedModels:
    """A model that asks for each of its tools once and then answers. See `worker.agent.ports.ModelSource`."""

    label = "scripted"
    offline = True

    def model(self, *, on_retry: Callable[[str], Any]) -> Model:
        return FunctionModel(_answer, stream_function=_stream)

    def describe(self, error: Exception) -> Exception:
        return error


def _names(messages: list[ModelMessage], info: AgentInfo) -> list[str]:
    """Tools to ask for: all at the first request, none after."""
    if sum(isinstance(message, ModelRequest) for message in messages) > 1:
        return []
    return [tool.name for tool in info.function_tools if tool.name != DELEGATE]


async def _answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    names = _names(messages, info)
    return ModelResponse(parts=[ToolCallPart(name, {}) for name in names] or [TextPart("done")])


async def _stream(messages: list[ModelMessage], info: AgentInfo) -> Any:
    names = _names(messages, info)
    for place, name in enumerate(names):
        yield {place: DeltaToolCall(name=name, json_args="{}", tool_call_id=f"check{place}")}
    if not names:
        yield "done"
