"""What an attempt does, as spans: agents, model requests, tool calls. Named as OpenTelemetry's GenAI conventions do.

A step that an earlier attempt has finished is no span but an event, `replayed`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model

from worker.agent.calls import AgentCall
from worker.agent.errors import ToolDenied
from worker.agent.tool import Tool
from worker.contract import tracing
from worker.contract.events import Failure, ToolStatus, Usage

StepKind = Literal["model", "tool", "agent"]

_OPERATIONS: Mapping[StepKind, str] = {"model": "chat", "tool": "execute_tool", "agent": "invoke_agent"}


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


@contextmanager
def tracing_model(model: Model) -> Iterator[Span]:
    """Trace a model request, which may end in another context than it began in: a stream's."""
    name = model.model_name
    attributes: dict[str, tracing.Value] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": model.system,
        "gen_ai.request.model": name,
    }
    # The address may hold a password.
    if (host := urlsplit(model.base_url or "").hostname) is not None:
        attributes["server.address"] = host
    with tracing.span(f"chat {name}", kind=SpanKind.CLIENT, attributes=attributes, is_current=False) as span:
        yield span


def note_answer(span: Span, response: ModelResponse, *, has_tokens: bool) -> None:
    """Note what a model's whole answer was; without tokens where the library only guesses them."""
    if response.model_name is not None:
        span.set_attribute("gen_ai.response.model", response.model_name)
    if response.finish_reason is not None:
        span.set_attribute("gen_ai.response.finish_reasons", [response.finish_reason])
    if has_tokens:
        span.set_attribute("gen_ai.usage.input_tokens", response.usage.input_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", response.usage.output_tokens)


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


def note_replayed(kind: StepKind) -> None:
    """Note on the current span that a step was answered from the journal."""
    facts: dict[str, tracing.Value] = {"gen_ai.operation.name": _OPERATIONS[kind], "outloud.replayed": True}
    trace.get_current_span().add_event("replayed", facts)


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
