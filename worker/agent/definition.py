"""An agent's definition: a name, a description, the tools it may use, and what it does.

An agent is an async function of its context (`@agent`) or a set of instructions for a model (`llm_agent`). Like a tool
it is not callable: the engine runs it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from worker.agent.errors import RegistrationError
from worker.agent.tool import Tool
from worker.contract.commands import DEFAULT_QUEUE_NAME, is_queue_name

if TYPE_CHECKING:
    from worker.agent.context import AgentContext

#: Model requests in one agent call before it is stopped as going in circles.
DEFAULT_MAX_STEPS = 20

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")

AgentFunction = Callable[["AgentContext"], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class AgentDefinition:
    """What the registry knows of an agent. Exactly one of `function` and `instructions` is set."""

    name: str
    description: str
    tools: tuple[Tool, ...] = ()
    #: Names of the agents that it may ask for help.
    delegates: tuple[str, ...] = ()
    function: AgentFunction | None = None
    instructions: str | None = None
    max_steps: int = DEFAULT_MAX_STEPS
    #: Where its runs wait for a worker; what it is asked as a delegate belongs to the run that asks.
    queue: str = DEFAULT_QUEUE_NAME

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise RegistrationError(f"agent {self.name!r}: a name is lower case letters, digits and underscores")
        if not is_queue_name(self.queue):
            raise RegistrationError(f"agent {self.name}: queue {self.queue!r} is not made of letters, digits and dots")
        if (self.function is None) == (self.instructions is None):
            raise RegistrationError(f"agent {self.name}: give it either a function or instructions")
        names = [tool.name for tool in self.tools]
        if len(set(names)) != len(names):
            raise RegistrationError(f"agent {self.name}: two of its tools have one name")


def agent(
    *,
    name: str | None = None,
    description: str | None = None,
    tools: Sequence[Tool] = (),
    delegates: Sequence[str] = (),
    queue: str = DEFAULT_QUEUE_NAME,
) -> Callable[[AgentFunction], AgentDefinition]:
    """Make an async function an agent. Name and description default to the function's name and docstring.

    Args:
        queue: whose workers take its runs; a worker takes those of all queues unless `QUEUES` names some.

    Raises:
        RegistrationError: It is not async, or there is no description.
    """

    def make(function: AgentFunction) -> AgentDefinition:
        if not inspect.iscoroutinefunction(function):
            raise RegistrationError(f"agent {function.__name__}: an agent is an async function")
        text = description or inspect.getdoc(function)
        if not text:
            raise RegistrationError(f"agent {function.__name__}: it needs a docstring or a description")
        return AgentDefinition(
            name=name or function.__name__,
            description=text,
            tools=tuple(tools),
            delegates=tuple(delegates),
            function=function,
            queue=queue,
        )

    return make


def llm_agent(
    name: str,
    *,
    description: str,
    instructions: str,
    tools: Sequence[Tool] = (),
    delegates: Sequence[str] = (),
    max_steps: int = DEFAULT_MAX_STEPS,
    queue: str = DEFAULT_QUEUE_NAME,
) -> AgentDefinition:
    """Define an agent whose steps a model chooses; `queue` as in `agent`."""
    return AgentDefinition(
        name=name,
        description=description,
        instructions=inspect.cleandoc(instructions),
        tools=tuple(tools),
        delegates=tuple(delegates),
        max_steps=max_steps,
        queue=queue,
    )
