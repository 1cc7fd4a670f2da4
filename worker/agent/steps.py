"""What the steps of one attempt go through: what earlier attempts have left, and the gate for what is new."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from worker.agent.gate import Gate
from worker.agent.journal import Journal
from worker.agent.tracing import StepKind, note_replayed
from worker.contract.approvals import Approval
from worker.contract.metric import UNMETERED, Meter
from worker.contract.metrics import STEPS_REPLAYED


class Steps(NamedTuple):
    """Made for one attempt at a run, shared by all its agent calls."""

    journal: Journal
    gate: Gate
    #: What a person was asked before, by tool call.
    approvals: Mapping[str, Approval]
    #: Reads the whole result of an earlier tool call that was too large for the journal.
    load_result: Callable[[str], Awaitable[bytes]]
    #: How long a person has to decide, unless the tool says otherwise.
    approval_seconds: float
    #: Counts the steps.
    meter: Meter = UNMETERED

    def note_replayed(self, kind: StepKind) -> None:
        """Count and trace that the journal has answered a step."""
        self.meter.count(STEPS_REPLAYED, kind)
        note_replayed(kind)
