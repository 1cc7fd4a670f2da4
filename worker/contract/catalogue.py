"""What can run: published by a worker at its start, read by the web to offer and to check agent names."""

from __future__ import annotations

import msgspec

from worker.contract.commands import DEFAULT_QUEUE_NAME


class AgentInfo(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    description: str
    tools: list[str]
    #: Agents that this one may delegate to.
    delegates: list[str]
    #: Where its runs wait for a worker, see `commands`. Absent in what older workers publish.
    queue: str = DEFAULT_QUEUE_NAME


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    agents: list[AgentInfo]
    #: The agent of a message that names none.
    default_agent: str
    #: Label of the model, for people.
    model: str
    #: True when no key is set and the built-in offline model answers.
    offline: bool
