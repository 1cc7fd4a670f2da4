"""The offline model as `pydantic_ai` sees it."""

from __future__ import annotations

import time

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ThinkingPart, ToolCallPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.function import FunctionModel

from worker.models.offline import OfflineModel, decide
from worker.models.playbook.script import Answer, Call

TRIAGE = 'You are the agent "triage".\n\nDo this.'


def asked(text: str) -> list[ModelMessage]:
    return [ModelRequest(parts=[UserPromptPart(text)], instructions=TRIAGE)]


async def test_it_asks_for_a_tool_with_a_thought() -> None:
    response = await OfflineModel(delay_seconds=0).request(asked("calculate 3*4"), None, ModelRequestParameters())
    thought, call = response.parts
    assert isinstance(thought, ThinkingPart)
    assert isinstance(call, ToolCallPart)
    assert (call.tool_name, call.args_as_dict()) == ("calculate", {"expression": "3*4"})
    assert response.model_name == "offline"


async def test_streamed_and_whole_answers_are_the_same() -> None:
    model = OfflineModel(delay_seconds=0)
    whole = await model.request(asked("hello"), None, ModelRequestParameters())
    async with model.request_stream(asked("hello"), None, ModelRequestParameters()) as stream:
        pieces = [event async for event in stream]
        streamed = stream.get()
    assert [part.part_kind for part in streamed.parts] == [part.part_kind for part in whole.parts]
    assert streamed.text == whole.text
    assert len(pieces) > 10


async def test_a_text_is_streamed_as_slowly_as_a_person_reads() -> None:
    started = time.monotonic()
    async with OfflineModel(delay_seconds=0.01).request_stream(
        asked("hello"), None, ModelRequestParameters()
    ) as stream:
        pieces = [event async for event in stream]
    assert time.monotonic() - started > 0.01 * (len(pieces) - 5)


async def test_it_works_inside_an_agent_and_sees_real_results() -> None:
    agent = Agent(OfflineModel(delay_seconds=0), instructions=TRIAGE)

    @agent.tool_plain
    def calculate(expression: str) -> dict[str, object]:
        return {"expression": expression, "result": 12}

    result = await agent.run("calculate 3*4")
    assert "**12**" in result.output


def test_an_agent_that_is_not_built_in_is_told_the_truth() -> None:
    move = decide([ModelRequest(parts=[UserPromptPart("hi")])], 'You are the agent "my_own".')
    assert isinstance(move, Answer)
    assert "needs a real model" in move.text


def test_only_results_since_the_last_message_count() -> None:
    earlier: list[ModelMessage] = [
        *asked("calculate 1+1"),
        ModelResponse(parts=[ToolCallPart("calculate", {"expression": "1+1"}, tool_call_id="c1")]),
    ]
    move = decide([*earlier, *asked("calculate 3*4")], TRIAGE)
    assert isinstance(move, Call)
    assert move.arguments == {"expression": "3*4"}


def test_it_is_a_model_like_any_other() -> None:
    assert isinstance(OfflineModel(), FunctionModel)
    assert OfflineModel().model_name == OfflineModel().system == "offline"
