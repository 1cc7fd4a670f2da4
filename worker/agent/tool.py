"""A tool: a typed function that agents may ask for.

A tool is not callable. The only way to run one is `ToolExecutionEngine.call`, which shows it to whoever watches.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, get_type_hints, overload

from pydantic import ValidationError
from pydantic_ai.tools import Tool as PydanticTool

from worker.agent.errors import InvalidArguments, RegistrationError

if TYPE_CHECKING:
    from worker.agent.ports import Workspace

#: Long enough for a slow page or query, short enough that a person still waits.
DEFAULT_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """What a tool may know of the call. A tool asks for it by annotating its first parameter with this class."""

    run_id: str
    thread_id: str
    user_id: str
    call_id: str
    #: The same for every try of this call: hand it to whatever the tool changes, so that a second try changes nothing.
    idempotency_key: str
    workspace: Workspace
    #: `await progress("3 of 7 pages", 0.4)`; from a plain function call `report` instead.
    progress: Callable[[str, float | None], Awaitable[None]]
    #: The same for tools that are plain functions and run in an OS thread of their own. Does not wait.
    report: Callable[[str, float | None], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tool:
    """A tool's description. Made by `@tool`."""

    name: str
    description: str
    #: `async def` runs on the event loop, a plain `def` in an OS thread.
    function: Callable[..., Any]
    #: JSON Schema of the arguments.
    schema: dict[str, Any]
    takes_context: bool
    timeout_seconds: float
    #: True: a call whose worker died over it runs again, with the same idempotency key.
    idempotent: bool
    #: True: a person must allow each call.
    requires_approval: bool
    #: True: whoever allows a call may change its arguments.
    editable: bool
    #: How long a person has to decide; None takes the worker's setting.
    approval_seconds: float | None
    validate: Callable[[Any], dict[str, Any]]

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    timeout_seconds: float = ...,
    idempotent: bool = ...,
    requires_approval: bool = ...,
    editable: bool = ...,
    approval_seconds: float | None = ...,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    idempotent: bool = False,
    requires_approval: bool = False,
    editable: bool = False,
    approval_seconds: float | None = None,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a function a tool: its name, docstring and annotations become what the model is told.

    Raises:
        RegistrationError: The function lacks a docstring or annotations.
    """

    def make(target: Callable[..., Any]) -> Tool:
        return Tool(
            **_described(target),
            timeout_seconds=timeout_seconds,
            idempotent=idempotent,
            requires_approval=requires_approval,
            editable=editable,
            approval_seconds=approval_seconds,
        )

    return make if function is None else make(function)


class _Description(TypedDict):
    name: str
    description: str
    function: Callable[..., Any]
    schema: dict[str, Any]
    takes_context: bool
    validate: Callable[[Any], dict[str, Any]]


def _described(function: Callable[..., Any]) -> _Description:
    """What a function says of itself."""
    name = function.__name__
    description = inspect.getdoc(function)
    if not description:
        raise RegistrationError(f"tool {name}: its docstring is what the model is told, and it has none")
    try:
        takes_context = _takes_context(function)
        parsed = PydanticTool(_without_context(function) if takes_context else function, takes_ctx=False)
    except Exception as error:
        raise RegistrationError(f"tool {name}: its parameters cannot be described: {error}") from error
    validator = parsed.function_schema.validator

    def validate(arguments: Any) -> dict[str, Any]:
        try:
            return dict(validator.validate_python(arguments))
        except ValidationError as error:
            raise InvalidArguments(_explain(name, error)) from error

    return _Description(
        name=name,
        description=parsed.description or description,
        function=function,
        schema=dict(parsed.function_schema.json_schema),
        takes_context=takes_context,
        validate=validate,
    )


def _takes_context(function: Callable[..., Any]) -> bool:
    parameters = list(inspect.signature(function).parameters)
    if not parameters:
        return False
    return get_type_hints(function, localns={"ToolContext": ToolContext}).get(parameters[0]) is ToolContext


def _without_context(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a model sees it: the context is ours to give."""
    signature = inspect.signature(function)
    _, *rest = signature.parameters.values()

    @functools.wraps(function)
    def seen(**_: Any) -> None:
        """Never called; only described."""

    vars(seen)["__signature__"] = signature.replace(parameters=rest)
    hints = get_type_hints(function, localns={"ToolContext": ToolContext}, include_extras=True)
    seen.__annotations__ = {parameter.name: hints[parameter.name] for parameter in rest if parameter.name in hints}
    return seen


def _explain(name: str, error: ValidationError) -> str:
    problems = "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'arguments'}: {problem['msg']}"
        for problem in error.errors()[:5]
    )
    return f"The arguments of {name} do not fit: {problems}."
