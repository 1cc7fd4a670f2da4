"""What an attempt does, as spans: agents, model requests, tool calls. Named as OpenTelemetry's GenAI conventions do.

They stand behind the journal: a step that an earlier attempt has finished is no span but an event, `replayed`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind
from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from worker.agent.calls import AgentCall
from worker.agent.errors import ToolDenied
from worker.agent.tool import Tool
from worker.contract import tracing
from worker.contract.events import Failure, ToolStatus, Usage


@contextmanager
def tracing_agent(call: AgentCall, *, run_id: str, thread_id: str, attempt: int) -> Iterator[Span]:
    """Trace an agent call."""
    attributes = tracing.agent_attributes(call.agent_name, call.call_id, thread_id)
    span_id = tracing.agent_span_id(run_id, attempt, call.call_id)
    with tracing.span(f"invoke_agent {call.agent_name}", attributes=attributes, span_id=span_id) as span:
        yield span


@contextmanager
def tracing_tool(name: str, tools: Mapping[str, Tool]) -> Iterator[Span]:
    """Trace a tool call; its name only if there is such a tool, since a model may ask for any text."""
    known = name if name in tools else ""
    attributes = tracing.tool_attributes(known)
    with tracing.span(f"execute_tool {known}".rstrip(), attributes=attributes, expected=(ToolDenied,)) as span:
        yield span


def note_call_id(call_id: str) -> None:
    """Note on the current span which tool call it is."""
    trace.get_current_span().set_attribute("gen_ai.tool.call.id", call_id)


def note_tool_end(status: ToolStatus, *, failure: Failure | None, result_bytes: int) -> None:
    """Note on the current span how its tool call ended. A person's no, or a stop, is no error."""
    span = trace.get_current_span()
    span.set_attribute("outloud.tool.status", status)
    span.set_attribute("outloud.tool.result_bytes", result_bytes)
    if status == "error" and failure is not None:
        tracing.fail(span, failure.code)


def note_replayed(operation: str) -> None:
    """Note on the current span that a step was answered from the journal."""
    trace.get_current_span().add_event("replayed", {"gen_ai.operation.name": operation, "outloud.replayed": True})


def note_retry() -> None:
    """Note on the current span that the model is asked again."""
    trace.get_current_span().add_event("model_retry")


def note_wait_for_person() -> None:
    """Note on the current span that the tool waits for a person's yes, in an attempt that is given back for that."""
    trace.get_current_span().add_event("waits_for_person")


def note_usage(span: Span, usage: Usage) -> None:
    """Note what an agent call, with all that it asked others, has used."""
    span.set_attribute("gen_ai.usage.input_tokens", usage.input_tokens)
    span.set_attribute("gen_ai.usage.output_tokens", usage.output_tokens)


class TracedModel(WrapperModel):
    """A model whose requests are traced, each with all the tries that it takes."""

    def __init__(self, wrapped: Model, *, has_tokens: bool) -> None:
        """`has_tokens` False leaves out the tokens that the library guesses for a model that has none."""
        super().__init__(wrapped)
        self._has_tokens = has_tokens

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        with self._span() as span:
            response = await self.wrapped.request(messages, model_settings, model_request_parameters)
            self._note(span, response)
            return response

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        with self._span() as span:
            # Entered when the first piece is here: see `RetryingModel`.
            async with self.wrapped.request_stream(
                messages, model_settings, model_request_parameters, run_context
            ) as stream:
                span.add_event("first_piece")
                yield stream
                self._note(span, stream.get())

    @contextmanager
    def _span(self) -> Iterator[Span]:
        name = self.wrapped.model_name
        attributes: dict[str, tracing.Value] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": self.wrapped.system,
            "gen_ai.request.model": name,
        }
        # The address may hold a password.
        if (host := urlsplit(self.wrapped.base_url or "").hostname) is not None:
            attributes["server.address"] = host
        with tracing.span(f"chat {name}", kind=SpanKind.CLIENT, attributes=attributes, is_current=False) as span:
            yield span

    def _note(self, span: Span, response: ModelResponse) -> None:
        span.set_attribute("gen_ai.response.model", response.model_name or self.wrapped.model_name)
        if response.finish_reason is not None:
            span.set_attribute("gen_ai.response.finish_reasons", [response.finish_reason])
        if self._has_tokens:
            span.set_attribute("gen_ai.usage.input_tokens", response.usage.input_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", response.usage.output_tokens)
