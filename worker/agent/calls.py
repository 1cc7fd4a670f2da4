"""One invocation of an agent inside a run, and the ids of what it begins."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class AgentCall:
    """One invocation of an agent inside a run. Gives out the ids of what it begins."""

    agent_name: str
    call_id: str
    parent_call_id: str | None = None
    depth: int = 0
    _children: int = field(default=0, repr=False)
    _tools: int = field(default=0, repr=False)

    def child(self, agent_name: str, call_id: str) -> AgentCall:
        return AgentCall(agent_name, call_id, self.call_id, self.depth + 1)

    def next_child_id(self) -> str:
        self._children += 1
        return f"{self.call_id}.{self._children}"

    def next_tool_call_id(self) -> str:
        self._tools += 1
        return f"{self.call_id}.t{self._tools}"
