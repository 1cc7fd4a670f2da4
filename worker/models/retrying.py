"""RetryingModel: asks a model again as long as nothing of its answer has been seen, and says so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError
from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from worker.models.backoff import in_words, wait_seconds
from worker.models.failures import Failures, is_transient

T = TypeVar("T")

OnRetry = Callable[[str], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often and how to wait. `sleep` and `random` are here for tests."""

    max_retries: int
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random


class RetryingModel(WrapperModel):
    """The only place where model requests are repeated; the providers' own retries are off.

    A wait or a request ends at once when the task is cancelled. Every `Exception` that comes out is an `AgentError`.
    """

    def __init__(self, wrapped: Model, *, failures: Failures, patience: Patience, on_retry: OnRetry) -> None:
        super().__init__(wrapped)
        self._failures = failures
        self._patience = patience
        self._on_retry = on_retry

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        async def ask() -> ModelResponse:
            return await self.wrapped.request(messages, model_settings, model_request_parameters)

        return await self._with_retries(ask)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        async def ask() -> _Opened:
            stream = self.wrapped.request_stream(messages, model_settings, model_request_parameters, run_context)
            return await self._open(stream)

        opened = await self._with_retries(ask)
        async with opened.stack:
            yield opened.response

    async def _with_retries(self, ask: Callable[[], Awaitable[T]]) -> T:
        attempt = 1
        while True:
            try:
                return await ask()
            except Exception as error:
                if attempt > self._patience.max_retries or not is_transient(error):
                    raise self._failures.opened(error, attempts=attempt) from error
                failed = error
            # Outside the handler: what fails here is not the model's error, and does not have it as its context.
            await self._wait(failed, attempt)
            attempt += 1

    async def _wait(self, error: Exception, retry: int) -> None:
        asked = error.retry_after if isinstance(error, ModelAPIError) else None
        seconds = wait_seconds(retry, asked=asked, random=self._patience.random)
        attempts = self._patience.max_retries + 1
        await self._on_retry(
            f"{self._failures.short(error)} Trying again in {in_words(seconds)} (attempt {retry + 1} of {attempts})."
        )
        await self._patience.sleep(seconds)

    async def _open(self, stream: AbstractAsyncContextManager[StreamedResponse]) -> _Opened:
        """Wait for the first event, since a provider may accept a request and report a failure before any output."""
        async with AsyncExitStack() as stack:
            response = await stack.enter_async_context(stream)
            events = aiter(response)
            first = await anext(events, None)
            if first is None and not _has_ended(response):
                raise _end_missing(response)
            # `aiter(response)` gives out what is stored here; the library's FallbackModel does the same.
            response._event_iterator = self._guarded(response, first, events)  # noqa: SLF001
            return _Opened(stack.pop_all(), response)

    async def _guarded(
        self,
        response: StreamedResponse,
        first: ModelResponseStreamEvent | None,
        rest: AsyncIterator[ModelResponseStreamEvent],
    ) -> AsyncGenerator[ModelResponseStreamEvent]:
        if first is not None:
            yield first
        while True:
            try:
                event = await anext(rest)
            except StopAsyncIteration:
                break
            except Exception as error:
                raise self._failures.interrupted(error) from error
            yield event
        if not response.cancelled and not _has_ended(response):
            raise self._failures.interrupted(_end_missing(response))


class _Opened(NamedTuple):
    stack: AsyncExitStack
    response: StreamedResponse


def _has_ended(response: StreamedResponse) -> bool:
    """Whether the provider said why the answer ended.

    It did not where a connection was cut and a proxy makes that look like an end. The response's own `finish_reason`
    does not tell: the library puts `stop` where nothing was sent.
    """
    details = response.provider_details or {}
    return "finish_reason" in details or "refusal" in details


def _end_missing(response: StreamedResponse) -> ModelConnectionError:
    return ModelConnectionError(response.model_name, "The answer stopped without an end.", phase="read")
