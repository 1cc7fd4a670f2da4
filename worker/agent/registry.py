"""AgentRegistry: every agent that can run. Nothing unregistered runs."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points

from worker.agent.definition import AgentDefinition
from worker.agent.errors import RegistrationError
from worker.contract.catalogue import AgentInfo
from worker.contract.commands import DEFAULT_QUEUE_NAME

ENTRY_POINT_GROUP = "outloud.agents"


class AgentRegistry:
    """Agents by name, fixed once made. The first one is the default."""

    def __init__(self, definitions: Iterable[AgentDefinition]) -> None:
        self._agents: dict[str, AgentDefinition] = {}
        for definition in definitions:
            if definition.name in self._agents:
                raise RegistrationError(f"two agents have the name {definition.name}")
            self._agents[definition.name] = definition
        if not self._agents:
            raise RegistrationError("no agent is registered")
        for definition in self._agents.values():
            for name in definition.delegates:
                if name not in self._agents:
                    raise RegistrationError(f"agent {definition.name} delegates to {name}, which is not registered")

    def __iter__(self) -> Iterator[AgentDefinition]:
        return iter(self._agents.values())

    def __len__(self) -> int:
        return len(self._agents)

    def get(self, name: str) -> AgentDefinition | None:
        return self._agents.get(name)

    def __getitem__(self, name: str) -> AgentDefinition:
        return self._agents[name]

    @property
    def default(self) -> AgentDefinition:
        return next(iter(self._agents.values()))

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues of all agents, the default one among them: runs of agents that are gone still need an end."""
        return tuple(sorted({DEFAULT_QUEUE_NAME, *(definition.queue for definition in self)}))

    def describe(self) -> list[AgentInfo]:
        """List the agents for the catalogue."""
        return [
            AgentInfo(
                name=definition.name,
                description=definition.description,
                tools=[tool.name for tool in definition.tools],
                delegates=list(definition.delegates),
                queue=definition.queue,
            )
            for definition in self
        ]


def load_registry(modules: Iterable[str]) -> AgentRegistry:
    """Collect the agents of these modules, in order, then those of installed packages.

    A module's agents are the `AgentDefinition` objects among its attributes; a package names such modules under the
    entry point group `outloud.agents`.

    Raises:
        RegistrationError: A module cannot be imported or has no agent, or the agents do not fit together.
    """
    names = [*modules, *(point.value for point in entry_points(group=ENTRY_POINT_GROUP))]
    return AgentRegistry(definition for name in names for definition in _agents_of(name))


def _agents_of(module_name: str) -> list[AgentDefinition]:
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise RegistrationError(f"cannot import the agents of {module_name}: {error}") from error
    found = list(dict.fromkeys(value for value in vars(module).values() if isinstance(value, AgentDefinition)))
    if not found:
        raise RegistrationError(f"{module_name} defines no agent")
    return found
