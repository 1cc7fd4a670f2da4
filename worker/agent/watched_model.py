"""The model as operators see it: each request, with all the tries that it takes, is counted and is a span.

It stands behind the journal: a stored answer is no request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from opentelemetry.trace import Span
from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from worker.agent.errors import AgentError
from worker.agent.ports import ModelSource
from worker.agent.tracing import note_answer, tracing_model
from worker.contract.metric import Meter
from worker.contract.metrics import MODEL_CALLS, MODEL_FIRST_SECONDS, MODEL_SECONDS, MODEL_TOKENS


class WatchedModel(WrapperModel):
    """A model whose requests are counted and traced."""

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
        with self._watched() as span:
            response = await self.wrapped.request(messages, model_settings, model_request_parameters)
            self._note_answer(span, response)
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
        with self._watched() as span:
            # Entered when the first piece is here: see `RetryingModel`.
            async with self.wrapped.request_stream(
                messages, model_settings, model_request_parameters, run_context
            ) as stream:
                self._meter.observe(MODEL_FIRST_SECONDS, time.perf_counter() - began_at, self._label)
                span.add_event("first_piece")
                yield stream
                self._note_answer(span, stream.get())

    @contextmanager
    def _watched(self) -> Iterator[Span]:
        began_at = time.perf_counter()
        outcome = "error"
        try:
            with tracing_model(self.wrapped) as span:
                yield span
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

    def _note_answer(self, span: Span, response: ModelResponse) -> None:
        note_answer(span, response, has_tokens=self._has_tokens)
        if self._has_tokens:
            self._meter.count(MODEL_TOKENS, self._label, "input", by=response.usage.input_tokens or 0)
            self._meter.count(MODEL_TOKENS, self._label, "output", by=response.usage.output_tokens or 0)
