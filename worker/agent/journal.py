"""The journal of a run: what its earlier attempts have finished, so that a new one is answered instead of repeating it.

A new attempt runs the agent again. Model answers are found by their place (agent call and number of the request), tool
calls and delegations by what was asked for: of two branches that run side by side, either may ask first. An answer to
another request than this one means that the agent's code has changed. No I/O.

| field              | holds                                                                 |
|--------------------|-----------------------------------------------------------------------|
| `model:<call>:<n>` | the answer to the n-th model request of an agent call                 |
| `tool:<call_id>`   | a tool call: begun, running, or how it ended                          |
| `agent:<call_id>`  | a delegation: begun, or how it ended                                  |
"""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from pydantic_core import to_json

from worker.contract.codec import encode
from worker.contract.events import Failure, ToolStatus, Usage

#: A text that stands for arguments or a conversation; 128 bits.
_DIGEST_BYTES = 16


class ModelStep(msgspec.Struct, frozen=True, kw_only=True):
    """A model answer. `request` stands for the conversation that it answers."""

    request: str
    #: As the model's library writes it.
    response: msgspec.Raw


class ToolStep(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call. Without a status it has not ended."""

    name: str
    arguments: str
    #: Unix time in ms.
    began_at: int = 0
    #: True from the moment at which the tool's own code may have run.
    running: bool = False
    status: ToolStatus | None = None
    #: The result as JSON, null when it is stored under a key of its own.
    result: msgspec.Raw = msgspec.Raw(b"null")
    stored: bool = False
    failure: Failure | None = None


class AgentStep(msgspec.Struct, frozen=True, kw_only=True):
    """A delegation. Without usage it has not ended."""

    name: str
    task: str
    result: msgspec.Raw = msgspec.Raw(b"null")
    usage: Usage | None = None
    failure: Failure | None = None

    @property
    def has_ended(self) -> bool:
        return self.usage is not None or self.failure is not None


Step = TypeVar("Step", ToolStep, AgentStep)


class Found(NamedTuple, Generic[Step]):
    """A step of an earlier attempt."""

    call_id: str
    step: Step


class _Request(NamedTuple):
    """What an agent call asked for."""

    kind: str
    agent_call_id: str
    name: str
    digest: str


def digest_of(value: Any) -> str:
    """Make a short text that stands for any JSON value, whatever the order of its keys."""
    plain = msgspec.json.decode(to_json(value, serialize_unknown=True, inf_nan_mode="strings"))
    raw = msgspec.json.encode(plain, order="sorted")
    return hashlib.blake2b(raw, digest_size=_DIGEST_BYTES).hexdigest()


def model_entry(call_id: str, number: int, step: ModelStep) -> dict[str, bytes]:
    return {f"model:{call_id}:{number}": encode(step)}


def tool_entry(call_id: str, step: ToolStep) -> dict[str, bytes]:
    return {f"tool:{call_id}": encode(step)}


def agent_entry(call_id: str, step: AgentStep) -> dict[str, bytes]:
    return {f"agent:{call_id}": encode(step)}


class Journal:
    """What the attempts before this one have left. Empty for a first attempt."""

    def __init__(self, fields: Mapping[str, bytes] | None = None) -> None:
        self.models: dict[tuple[str, int], ModelStep] = {}
        self.tools: dict[str, ToolStep] = {}
        self.agents: dict[str, AgentStep] = {}
        #: What the agents have not asked for again yet, in the order in which it was asked for first.
        self._unasked: defaultdict[_Request, deque[str]] = defaultdict(deque)
        self._unasked_models: set[tuple[str, int]] = set()
        for field, raw in sorted((fields or {}).items(), key=lambda item: _place(item[0])):
            self._read(field, raw)
        self._leave_out_ended_agents()

    @property
    def unasked(self) -> list[str]:
        """Names of the steps that were taken before and not asked for again yet."""
        models = [f"model answer {number} of {call_id}" for call_id, number in sorted(self._unasked_models)]
        return models + [request.name for request, call_ids in self._unasked.items() for _ in call_ids]

    def is_known(self, call_id: str) -> bool:
        """Whether an earlier attempt has given out this id."""
        return call_id in self.tools or call_id in self.agents

    def model_answer(self, call_id: str, number: int) -> ModelStep | None:
        """Give the answer to a model request; the caller compares the request."""
        self._unasked_models.discard((call_id, number))
        return self.models.get((call_id, number))

    def tool_call(self, agent_call_id: str, name: str, digest: str) -> Found[ToolStep] | None:
        """Find a tool call with these arguments that was not asked for again yet."""
        call_id = self._take(_Request("tool", agent_call_id, name, digest))
        return Found(call_id, self.tools[call_id]) if call_id else None

    def delegation(self, agent_call_id: str, name: str, digest: str) -> Found[AgentStep] | None:
        """Find a delegation of this task that was not asked for again yet."""
        call_id = self._take(_Request("agent", agent_call_id, name, digest))
        return Found(call_id, self.agents[call_id]) if call_id else None

    def interrupt(self, call_id: str, name: str, failure: Failure) -> ToolStep:
        """Note that nobody will know how a tool call ended; whoever asks for it again is told."""
        begun = self.tools.get(call_id) or ToolStep(name=name, arguments="")
        step = msgspec.structs.replace(begun, status="interrupted", failure=failure)
        self.tools[call_id] = step
        return step

    def _take(self, request: _Request) -> str | None:
        call_ids = self._unasked.get(request)
        if not call_ids:
            return None
        taken = call_ids.popleft()
        if not call_ids:
            del self._unasked[request]
        return taken

    def _read(self, field: str, raw: bytes) -> None:
        kind, _, place = field.partition(":")
        match kind:
            case "model":
                call_id, _, number = place.rpartition(":")
                self.models[call_id, int(number)] = msgspec.json.decode(raw, type=ModelStep)
                self._unasked_models.add((call_id, int(number)))
            case "tool":
                tool = self.tools[place] = msgspec.json.decode(raw, type=ToolStep)
                self._unasked[_Request("tool", parent_of(place), tool.name, tool.arguments)].append(place)
            case "agent":
                agent = self.agents[place] = msgspec.json.decode(raw, type=AgentStep)
                self._unasked[_Request("agent", parent_of(place), agent.name, agent.task)].append(place)

    def _leave_out_ended_agents(self) -> None:
        """Nobody asks again for the steps inside of a delegation that has ended."""
        ended = tuple(f"{call_id}." for call_id, step in self.agents.items() if step.has_ended)
        if not ended:
            return
        self._unasked_models = {
            (call_id, number) for call_id, number in self._unasked_models if not f"{call_id}.".startswith(ended)
        }
        inside = [request for request in self._unasked if f"{request.agent_call_id}.".startswith(ended)]
        for request in inside:
            del self._unasked[request]


def parent_of(call_id: str) -> str:
    """The agent call that a call belongs to: `a1.2.t3` and `a1.2.1` are of `a1.2`."""
    return call_id.rpartition(".")[0]


def _place(field: str) -> list[tuple[int, str]]:
    """Sorts call ids by their numbers: `t10` behind `t9`."""
    _, _, place = field.partition(":")
    return [(len(part), part) for part in place.replace(":", ".").split(".")]
