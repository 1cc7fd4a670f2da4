"""JournalingModel: answers from the journal as far as that reaches, and stores what the real model answers after it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from worker.agent.calls import AgentCall
from worker.agent.journal import ModelStep, digest_of, model_entry
from worker.agent.notifier import Notifier
from worker.agent.steps import Steps
from worker.contract.scripts import Entries

#: What makes a message what it is; the library adds times and ids of its own, which differ every time.
_MESSAGE_FIELDS = ("kind", "instructions", "parts")
_PART_FIELDS = ("part_kind", "content", "args", "tool_name", "tool_call_id")


class JournalingModel(WrapperModel):
    """The model of one agent call. A stored answer is given without events: viewers have seen it."""

    def __init__(self, wrapped: Model, *, call: AgentCall, steps: Steps, notifier: Notifier) -> None:
        super().__init__(wrapped)
        self._call = call
        self._steps = steps
        self._notifier = notifier
        self._number = 0

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        request = self._next(messages, model_request_parameters)
        if (stored := await self._stored(request)) is not None:
            return stored
        async with self._steps.gate.step():
            response = await self.wrapped.request(messages, model_settings, model_request_parameters)
            await self._store(request, response)
            return response

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        request = self._next(messages, model_request_parameters)
        if (stored := await self._stored(request)) is not None:
            yield CompletedStreamedResponse(stored, model_request_parameters=model_request_parameters)
            return
        async with self._steps.gate.step():
            async with self.wrapped.request_stream(
                messages, model_settings, model_request_parameters, run_context
            ) as stream:
                yield stream
                response = stream.get()
            await self._store(request, response)

    def _next(self, messages: list[ModelMessage], parameters: ModelRequestParameters) -> str:
        self._number += 1
        return _digest(messages, parameters)

    async def _stored(self, request: str) -> ModelResponse | None:
        step = self._steps.journal.model_answer(self._call.call_id, self._number)
        if step is None:
            return None
        if step.request != request:
            await self._steps.gate.refuse(f"{self._call.agent_name} now asks its model for something else.")
        self._steps.note_replayed("model")
        [response] = ModelMessagesTypeAdapter.validate_json(bytes(step.response))
        return response if isinstance(response, ModelResponse) else None

    async def _store(self, request: str, response: ModelResponse) -> None:
        raw = msgspec.Raw(ModelMessagesTypeAdapter.dump_json([response]))
        entry = model_entry(self._call.call_id, self._number, ModelStep(request=request, response=raw))
        await self._notifier.settle(Entries(journal=entry))


def _digest(messages: list[ModelMessage], parameters: ModelRequestParameters) -> str:
    """Stands for what the model is asked: the conversation and the tools."""
    dumped: list[dict[str, Any]] = ModelMessagesTypeAdapter.dump_python(messages, mode="json")
    tools = [[tool.name, tool.description, tool.parameters_json_schema] for tool in parameters.function_tools]
    return digest_of([[_essence(message) for message in dumped], tools])


def _essence(message: dict[str, Any]) -> dict[str, Any]:
    kept = {name: message.get(name) for name in _MESSAGE_FIELDS}
    kept["parts"] = [{name: part.get(name) for name in _PART_FIELDS} for part in message["parts"]]
    return kept
