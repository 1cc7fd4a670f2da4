"""A history, sorted so that rules can ask it things. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tests.faults import history as h
from tests.faults.schedule import KINDS, PlannedRun, Schedule

Event = dict[str, Any]

#: What may happen to a viewer's run, in the order in which it did.
Seen = h.Subscribed | h.Received | h.WasReset | h.Refused


class Violation(NamedTuple):
    """A rule that does not hold, where, and why."""

    rule: str
    where: str
    words: str


class Call(NamedTuple):
    """A tool call as the log tells it; None for what is not there."""

    run_id: str
    call_id: str
    executing: Event | None
    completed: Event | None


class Facts:
    """The history of one seed."""

    def __init__(self, entries: Sequence[h.Entry]) -> None:
        self.entries = entries
        (begun,) = h.of(h.Begun, entries)
        self.begun_at = begun.at
        self.schedule: Schedule = begun.schedule
        self.planned: dict[str, PlannedRun] = {run.name: run for run in self.schedule.runs}
        self.finals: dict[str, h.FinalRun] = {final.run_id: final for final in h.of(h.FinalRun, entries)}
        self.posted = h.of(h.Posted, entries)
        #: Run id by the name of the run, for those whose acceptance a person was told of.
        self.accepted: dict[str, str] = {post.run: post.run_id for post in self.posted if post.outcome == "done"}
        self.stops: dict[str, list[h.StopAsked]] = defaultdict(list)
        for stop in h.of(h.StopAsked, entries):
            self.stops[stop.run_id].append(stop)
        self.tool_runs: dict[tuple[str, str], list[h.ToolRan]] = defaultdict(list)
        for line in h.of(h.ToolRan, entries):
            self.tool_runs[line.run_id, line.call_id].append(line)
        self.seen: dict[tuple[str, str], list[Seen]] = defaultdict(list)
        for entry in entries:
            if isinstance(entry, Seen):
                self.seen[entry.viewer, entry.run_id].append(entry)
        self.fault_ends = sorted(entry.at for entry in h.of(h.FaultEnded, entries))
        #: None in a history that was cut short.
        self.quiet: h.Quiet | None = next(iter(h.of(h.Quiet, entries)), None)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of faults that were done."""
        return frozenset(entry.fault.kind for entry in h.of(h.FaultBegun, self.entries))

    @property
    def rolled_back(self) -> bool:
        """Redis has forgotten what it had acknowledged: weaker rules hold."""
        return "rollback" in self.kinds

    @property
    def rolled_back_at(self) -> float:
        """When the last rollback was over; 0 if there was none."""
        ends = (entry.at for entry in h.of(h.FaultEnded, self.entries) if entry.fault.kind == "rollback")
        return max(ends, default=0.0)

    @property
    def has_zombies(self) -> bool:
        """A worker may have lost a run without knowing it, and so have begun something late."""
        return any(KINDS[kind].loses and "kill" not in kind for kind in self.kinds if kind in KINDS)

    def healed_before(self, since: float, until: float) -> float:
        """The time from which a run should have moved on: `since`, or the end of the last fault before `until`."""
        return max([since, *(end for end in self.fault_ends if since < end < until)])

    def tool_lines(self, call: Call) -> list[h.ToolRan]:
        """What the counter file says of a call."""
        return self.tool_runs.get((call.run_id, call.call_id), [])

    def calls(self) -> Iterator[Call]:
        """Every tool call that is in a log."""
        for run_id, final in self.finals.items():
            found: dict[str, dict[str, Event]] = defaultdict(dict)
            for event in final.log:
                if event["type"] in ("tool_executing", "tool_completed"):
                    found[event["data"]["call_id"]].setdefault(event["type"], event)
            for call_id, events in found.items():
                yield Call(run_id, call_id, events.get("tool_executing"), events.get("tool_completed"))


def last_event(final: h.FinalRun) -> Event | None:
    """The event that ends the run; None if nothing does."""
    return next((event for event in final.log if event["terminal"]), None)


def seconds(event: Event) -> float:
    """When an event was made, in Unix seconds."""
    return float(event["at"]) / 1000
