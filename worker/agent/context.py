"""What an agent is given: its task, its tools (wrapped), and ways to speak. Made for one agent call, thrown away
after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from worker.agent.calls import AgentCall
from worker.agent.notifier import Notifier
from worker.agent.tool_engine import ToolExecutionEngine


class Turn(NamedTuple):
    """An earlier message of the thread and the answer it got."""

    message: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """The run that an agent call belongs to."""

    run_id: str
    thread_id: str
    user_id: str
    attempt: int
    #: Earlier turns of the thread, oldest first.
    history: Sequence[Turn] = ()


class AgentContext:
    """One agent call as its function sees it."""

    def __init__(
        self,
        *,
        run: RunInfo,
        call: AgentCall,
        input: str,  # noqa: A002 - the word of the event
        tools: ToolExecutionEngine,
        notifier: Notifier,
        delegate: Callable[[AgentCall, str, str], Awaitable[Any]],
    ) -> None:
        self.run = run
        self.call = call
        self.input = input
        self.tools = tools
        self._notifier = notifier
        self._delegate = delegate
        self._said: list[str] = []
        self._delegations = 0

    @property
    def said(self) -> str:
        """Everything said so far: the result of an agent that returns none."""
        return "".join(self._said)

    async def say(self, text: str, *, message_id: str | None = None) -> None:
        """Show a part of the answer; parts are joined as they are. The first part goes out at once.

        What is said after a tool call or a delegation is a message of its own, so that it is shown after that step.
        """
        self._said.append(text)
        place = 1 + self.tools.calls_made + self._delegations
        await self._notifier.answer(self.call, message_id or f"{self.call.call_id}.m{place}", text)

    async def think(self, text: str, *, step: int = 0, delta: bool = False) -> None:
        """Show a thought or plan step. With `delta` it continues the thought of the same step."""
        await self._notifier.thinking(self.call, text, step=step, delta=delta)

    async def delegate(self, agent: str, task: str) -> Any:
        """Ask another agent and wait for its result.

        Raises:
            DelegateFailed: It could not; the reason is the message.
        """
        self._delegations += 1
        return await self._delegate(self.call, agent, task)
