"""The built-in crew with the offline model: real tools, a real workspace, a log in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from worker.agent.context import Turn
from worker.agent.invocation import AgentParts
from worker.agent.redaction import Redactor
from worker.agent.registry import AgentRegistry
from worker.contract.approvals import Verdict
from worker.contract.events import AgentCompleted, AgentStarted, Event, ToolCompleted, ToolExecuting
from worker.contract.run import RunState
from worker.engine import EngineLimits, ExecutionEngine
from worker.memory_log import MemoryLog
from worker.models.offline import OfflineModel
from worker.workspaces import Workspaces

USER = "usr_1"

Ask = Callable[..., Awaitable["Story"]]


class OfflineModels:
    label = "offline"
    offline = True

    def model(self, *, on_retry: Callable[[str], object]) -> OfflineModel:
        return OfflineModel(delay_seconds=0)

    def describe(self, error: Exception) -> Exception:
        return error


class Story:
    """What a run's log tells."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.agents = [event.agent_name for event in events if isinstance(event, AgentStarted)]
        self.tools = [(event.agent_name, event.data.tool_name) for event in events if isinstance(event, ToolExecuting)]
        self.failed = [
            (event.data.tool_name, event.data.error)
            for event in events
            if isinstance(event, ToolCompleted) and event.data.status != "ok"
        ]

    @property
    def answer(self) -> str:
        last = self.events[-1]
        assert isinstance(last, AgentCompleted), last
        assert last.terminal
        assert isinstance(last.data.result, str)
        return last.data.result

    def result_of(self, tool: str) -> object:
        return next(
            event.data.result
            for event in self.events
            if isinstance(event, ToolCompleted) and event.data.tool_name == tool
        )


def allow_everything(log: MemoryLog, run_id: str) -> None:
    """Say yes to whatever the run asks, as a person would who has asked for it."""
    for call_id, approval in log.approvals_of(run_id).items():
        if approval.verdict is None:
            log.decide(run_id, call_id, Verdict(decision="approved", by=USER))


@contextmanager
def offline_crew(registry: AgentRegistry, data_dir: Path, redis_url: str) -> Iterator[Ask]:
    """Ask `triage`: `ask(message, *earlier messages)` gives the run's story."""
    workspaces = Workspaces(data_dir, redis_url=redis_url)
    executor = ThreadPoolExecutor(4)
    log = MemoryLog()
    parts = AgentParts(registry, OfflineModels(), executor, workspaces.workspace)
    engine = ExecutionEngine(parts, log, limits=EngineLimits(run_timeout=60, approval=60), redactor=Redactor())
    asked = 0

    async def run(message: str, *earlier: str) -> Story:
        nonlocal asked
        asked += 1
        log.turns = [Turn(text, "an answer") for text in earlier]
        log.create(f"run_{asked}", agent="triage", message=message, user_id=USER)
        await engine.execute(f"run_{asked}")
        while log.records[f"run_{asked}"].state is RunState.WAITING:
            allow_everything(log, f"run_{asked}")
            await engine.execute(f"run_{asked}")
        return Story(await log.events(f"run_{asked}"))

    yield run
    executor.shutdown()
    workspaces.close()
