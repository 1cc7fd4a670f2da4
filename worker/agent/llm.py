"""The loop of an LLM agent: pydantic-ai runs it, and every thought, token and tool call of it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from pydantic_ai import Agent, ModelRequestNode
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models import Model
from pydantic_ai.run import AgentRun
from pydantic_ai.usage import UsageLimits

from worker.agent.context import AgentContext, Turn
from worker.agent.definition import AgentDefinition
from worker.agent.errors import ToolError
from worker.agent.ports import ModelSource
from worker.agent.toolset import DELEGATE, EngineToolset
from worker.contract.events import Usage


class Answer(NamedTuple):
    text: str
    usage: Usage


async def run_llm_agent(
    definition: AgentDefinition, context: AgentContext, models: ModelSource, model: Model, *, history: bool
) -> Answer:
    """Run an LLM agent on `model` to its final text. `history` gives it the earlier turns of the thread.

    Raises:
        AgentError: The model cannot answer, or took too many steps.
    """
    try:
        answer = await _run(definition, context, model, history=history)
    except Exception as error:
        described = models.describe(error)
        if described is error:
            raise
        raise described from error
    if models.offline:
        # The library guesses tokens for a model that has none.
        usage = msgspec.structs.replace(answer.usage, input_tokens=0, output_tokens=0)
        return answer._replace(usage=usage)
    return answer


async def _run(definition: AgentDefinition, context: AgentContext, model: Model, *, history: bool) -> Answer:
    toolset = EngineToolset(context, definition.delegates)
    agent: Agent[None, str] = Agent(
        model,
        instructions=f'You are the agent "{definition.name}".\n\n{definition.instructions}',
        toolsets=[toolset],
        name=definition.name,
    )
    known = {described.name for described in toolset.definitions()}
    limits = UsageLimits(request_limit=definition.max_steps)
    earlier = _messages(context.run.history) if history else None
    step = 0
    async with agent.iter(context.input, message_history=earlier, usage_limits=limits) as run:
        async for node in run:
            if isinstance(node, ModelRequestNode):
                step += 1
                await _show_response(node, run, context, step)
                await _show_refused_calls(run, context, known)
    usage = Usage(
        input_tokens=run.usage.input_tokens or 0,
        output_tokens=run.usage.output_tokens or 0,
        model_requests=run.usage.requests,
        tool_calls=context.tools.calls_made,
    )
    return Answer(run.result.output if run.result else "", usage)


async def _show_response(
    node: ModelRequestNode[None, str], run: AgentRun[None, str], context: AgentContext, step: int
) -> None:
    """Show one model answer while it is being written."""
    message_id = f"{context.call.call_id}.m{step}"
    async with node.stream(run.ctx) as stream:
        async for event in stream:
            match event:
                case (
                    PartStartEvent(part=TextPart(content=text))
                    | PartDeltaEvent(delta=TextPartDelta(content_delta=text))
                ):
                    await context.say(text, message_id=message_id)
                case PartStartEvent(part=ThinkingPart(content=text)):
                    await context.think(text, step=step, delta=True)
                case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str(text))):
                    await context.think(text, step=step, delta=True)
                case _:
                    pass


async def _show_refused_calls(run: AgentRun[None, str], context: AgentContext, known: set[str]) -> None:
    """Show calls that the library turns down by itself: an unknown name, arguments that are no JSON object."""
    response = run.all_messages()[-1]
    if not isinstance(response, ModelResponse):
        return
    for part in response.parts:
        if isinstance(part, ToolCallPart) and part.tool_name != DELEGATE and _is_refused(part, known):
            try:
                await context.tools.execute(part.tool_name, {"arguments": str(part.args)})
            except ToolError:
                continue


def _is_refused(part: ToolCallPart, known: set[str]) -> bool:
    if part.tool_name not in known:
        return True
    try:
        part.args_as_dict(raise_if_invalid=True)
    except (ValueError, AssertionError):
        return True
    return False


def _messages(history: Sequence[Turn]) -> list[ModelMessage]:
    messages: list[ModelMessage] = []
    for turn in history:
        messages.append(ModelRequest(parts=[UserPromptPart(turn.message)]))
        messages.append(ModelResponse(parts=[TextPart(turn.answer or "(no answer)")]))
    return messages
