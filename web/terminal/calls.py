"""The agent calls and tool calls of a run, as far as they matter for what is printed next."""

from __future__ import annotations

from dataclasses import dataclass, field

from web.terminal.writing import Writer
from worker.contract.events import ApprovalRequestedData


@dataclass
class ToolCall:
    """A tool call that is open."""

    call_id: str
    name: str
    #: Unix milliseconds, by the writer's clock.
    began_at: int
    hint: str = ""
    #: 0 to 1; None when the tool cannot tell.
    fraction: float | None = None
    progress: str = ""
    #: When progress was last printed, Unix milliseconds.
    told_at: int = 0
    #: What a person is asked; None when nobody is.
    request: ApprovalRequestedData | None = None
    #: "approved", "denied" or "expired", once somebody has decided.
    decision: str = ""

    @property
    def waits(self) -> bool:
        """Whether it waits for a person's yes."""
        return self.request is not None and not self.decision


@dataclass
class Call:
    """An agent call."""

    call_id: str
    parent_id: str | None
    agent_name: str
    depth: int
    #: Unix milliseconds, by the writer's clock.
    began_at: int
    model: str = ""
    is_introduced: bool = False
    is_running: bool = True
    writer: Writer = field(default_factory=Writer)
    #: Open tool calls, oldest first.
    tools: dict[str, ToolCall] = field(default_factory=dict)
    tool_count: int = 0
    failed_count: int = 0
    unclear_count: int = 0
