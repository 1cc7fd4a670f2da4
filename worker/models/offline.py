"""The model that answers when no key is set: it follows written rules, and understands no language.

It sees what any model sees (instructions, tools, conversation) and answers with real tool calls and with text made from
their results. See `worker.models.playbook`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    RetryPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel

from worker.agent.toolset import DELEGATE
from worker.models.playbook.playbooks import PLAYBOOKS, unknown_agent
from worker.models.playbook.script import Answer, Call, Outcome, Task, next_move

NAME = "offline"
#: Between two pieces of a text, so that a person sees it being written.
DEFAULT_DELAY_SECONDS = 0.03

_AGENT = re.compile(r'You are the agent "([a-z0-9_]+)"')
_ERROR = "Error: "
#: Some words at a time, as real models send them.
_PIECE = re.compile(r"\s*(?:\S+\s*){1,3}")
_THINKING, _CALLING = 0, 1


class OfflineModel(FunctionModel):
    """A `pydantic_ai` model without a network.

    Args:
        delay_seconds: pause between two pieces of a streamed text; 0 for none.
    """

    def __init__(self, *, delay_seconds: float = DEFAULT_DELAY_SECONDS) -> None:
        self._delay_seconds = delay_seconds
        super().__init__(self._respond, stream_function=self._stream, model_name=NAME)

    @property
    def system(self) -> str:
        return NAME

    async def _respond(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        move = decide(messages, info.instructions or "")
        last = _tool_call(move, messages) if isinstance(move, Call) else TextPart(move.text)
        return ModelResponse(parts=[ThinkingPart(move.thought), last] if move.thought else [last])

    async def _stream(
        self, messages: list[ModelMessage], info: AgentInfo
    ) -> AsyncIterator[str | dict[int, DeltaThinkingPart] | dict[int, DeltaToolCall]]:
        move = decide(messages, info.instructions or "")
        for piece in _pieces(move.thought):
            yield {_THINKING: DeltaThinkingPart(content=piece)}
            await asyncio.sleep(self._delay_seconds)
        if isinstance(move, Call):
            part = _tool_call(move, messages)
            yield {
                _CALLING: DeltaToolCall(
                    name=part.tool_name, json_args=part.args_as_json_str(), tool_call_id=part.tool_call_id
                )
            }
            return
        for piece in _pieces(move.text):
            yield piece
            await asyncio.sleep(self._delay_seconds)


def decide(messages: Sequence[ModelMessage], instructions: str) -> Call | Answer:
    """Say what comes next in a conversation. No I/O."""
    named = _AGENT.search(instructions)
    playbook = PLAYBOOKS.get(named[1], unknown_agent) if named else unknown_agent
    prompts, outcomes = _read(messages)
    task = Task(prompts[-1] if prompts else "", prompts[:-1])
    return next_move(playbook(task), outcomes)


def _read(messages: Sequence[ModelMessage]) -> tuple[list[str], list[Outcome]]:
    """What the user has written, and what became of the calls since their last message."""
    prompts: list[str] = []
    outcomes: list[Outcome] = []
    for part in _request_parts(messages):
        match part:
            case UserPromptPart():
                prompts.append(_text(part))
                outcomes = []
            case ToolReturnPart():
                outcomes.append(_outcome(part))
            case RetryPromptPart():
                outcomes.append(Outcome(None, part.model_response()))
            case _:
                pass
    return prompts, outcomes


def _request_parts(messages: Sequence[ModelMessage]) -> Iterator[ModelRequestPart]:
    for message in messages:
        if isinstance(message, ModelRequest):
            yield from message.parts


def _text(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    return " ".join(piece for piece in part.content if isinstance(piece, str))


def _outcome(part: ToolReturnPart) -> Outcome:
    text = part.model_response_str()
    if text.startswith(_ERROR):
        return Outcome(None, text.removeprefix(_ERROR))
    if part.tool_name == DELEGATE:
        return Outcome(text)
    try:
        return Outcome(json.loads(text))
    except ValueError:
        # A result that was cut for the model's sake is no longer JSON.
        return Outcome(None, f"{part.tool_name} returned more than can be read here.")


def _tool_call(move: Call, messages: Sequence[ModelMessage]) -> ToolCallPart:
    # The same conversation gives the same id, so a replayed answer is equal to the first one.
    return ToolCallPart(move.tool, json.dumps(move.arguments), tool_call_id=f"{NAME}_{len(messages)}")


def _pieces(text: str) -> Iterator[str]:
    return (found.group() for found in _PIECE.finditer(text))
