"""Asks a model as an agent does, and keeps what was heard: with the real library, against `ModelProvider`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai import Agent, ModelRequestNode
from pydantic_ai.messages import (
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
)
from pydantic_ai.usage import RunUsage, UsageLimits

from tests.support.model_provider import ModelProvider
from worker.contract.environment import Environment
from worker.models.retrying import Patience
from worker.models.settings import ModelSettings
from worker.models.source import ModelProvider as ModelSource


@dataclass
class Heard:
    """What one question brought, while it was being brought."""

    #: In order: ("text", piece), ("thought", piece), ("call", tool name).
    steps: list[tuple[str, str]] = field(default_factory=list)
    usage: RunUsage = field(default_factory=RunUsage)
    answer: str = ""

    def joined(self, kind: str) -> str:
        return "".join(piece for what, piece in self.steps if what == kind)

    def pieces(self, kind: str) -> list[str]:
        return [piece for what, piece in self.steps if what == kind and piece]


class Asker:
    """Agents that share one model source."""

    def __init__(self, source: ModelSource) -> None:
        self.source = source
        #: What `on_retry` was told, and how long was waited each time.
        self.notes: list[str] = []
        self.waits: list[float] = []

    async def ask(
        self,
        question: str = "hello",
        *,
        tools: tuple[Callable[..., Any], ...] = (),
        heard: Heard | None = None,
        max_steps: int | None = None,
    ) -> Heard:
        """Ask and listen to the end; an error comes out as the source describes it."""
        heard = heard or Heard()
        try:
            await self._listen(question, tools, heard, UsageLimits(request_limit=max_steps))
        except Exception as error:
            described = self.source.describe(error)
            if described is error:
                raise
            raise described from error
        return heard

    async def note(self, words: str) -> None:
        self.notes.append(words)

    async def _listen(self, question: str, tools: Any, heard: Heard, limits: UsageLimits) -> None:
        agent: Agent[None, str] = Agent(
            self.source.model(on_retry=self.note), instructions='You are the agent "triage".', tools=tools
        )
        async with agent.iter(question, usage_limits=limits) as run:
            async for node in run:
                if isinstance(node, ModelRequestNode):
                    async with node.stream(run.ctx) as stream:
                        async for event in stream:
                            _keep(heard, event)
        heard.usage = run.usage
        heard.answer = run.result.output if run.result else ""


@asynccontextmanager
async def asking(
    provider: ModelProvider,
    protocol: Any = "openai",
    sleep: Callable[[float], Awaitable[None]] | None = None,
    /,
    **variables: str,
) -> AsyncIterator[Asker]:
    """A source as a worker makes it from its environment. Waits are noted, not waited, unless `sleep` does."""
    env = Environment(provider.environment(protocol, **variables))
    settings = ModelSettings.from_env(env)
    env.check()

    async def wait(seconds: float) -> None:
        asker.waits.append(seconds)
        await (sleep or _no_time)(seconds)

    patience = Patience(max_retries=settings.max_retries, sleep=wait, random=lambda: 1.0)
    asker = Asker(ModelSource(settings, patience=patience))
    try:
        yield asker
    finally:
        await asker.source.aclose()


async def _no_time(_: float) -> None:
    await asyncio.sleep(0)


def _keep(heard: Heard, event: Any) -> None:
    match event:
        case PartStartEvent(part=TextPart(content=piece)) | PartDeltaEvent(delta=TextPartDelta(content_delta=piece)):
            heard.steps.append(("text", piece))
        case PartStartEvent(part=ThinkingPart(content=piece)):
            heard.steps.append(("thought", piece))
        case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str(piece))):
            heard.steps.append(("thought", piece))
        case PartStartEvent(part=ToolCallPart(tool_name=name)):
            heard.steps.append(("call", name))
        case _:
            pass
