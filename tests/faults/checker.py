"""Judges a history: every rule that does not hold, and figures for the table. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tests.faults import history as h
from tests.faults import log_rules, system_rules, tool_rules, viewer_rules
from tests.faults.facts import Facts, Violation

Rule = Callable[[Facts], Iterator[Violation]]

RULES: tuple[Rule, ...] = (
    viewer_rules.in_order,
    viewer_rules.equal_to_log,
    viewer_rules.complete,
    viewer_rules.resets_have_a_reason,
    viewer_rules.close_codes,
    log_rules.accepted_runs_exist,
    log_rules.numbered,
    log_rules.one_end,
    log_rules.fenced,
    log_rules.tools_closed,
    log_rules.repaired,
    log_rules.outcome,
    log_rules.usage_once,
    tool_rules.shown_before_run,
    tool_rules.finished_once,
    tool_rules.begun_once,
    tool_rules.results_kept,
    tool_rules.approved,
    tool_rules.model_asked_once,
    system_rules.alive,
    system_rules.bounds,
    system_rules.answers,
    system_rules.quiet,
)


class Figures(NamedTuple):
    """What one seed came to."""

    runs: int
    events: int
    #: Events that reached viewers.
    shown: int
    tool_calls: int
    #: Calls that were in flight at a fault and were begun again, with their own key.
    begun_again: int
    longest_silence: float
    faults: Counter[str]
    #: How the runs ended, by the type of the last event.
    ends: Counter[str]


def check(entries: Sequence[h.Entry]) -> list[Violation]:
    """Apply every rule."""
    facts = Facts(entries)
    return [violation for rule in RULES for violation in rule(facts)]


def measure(entries: Sequence[h.Entry]) -> Figures:
    """Count what happened."""
    facts = Facts(entries)
    finals = facts.finals.values()
    silences = [until - since for final in finals for since, until in log_rules.silences(facts, final)]
    return Figures(
        runs=len(facts.accepted),
        events=sum(len(final.log) for final in finals),
        shown=len(h.of(h.Received, entries)),
        tool_calls=len(facts.tool_runs),
        begun_again=tool_rules.begun_again_in_flight(facts),
        longest_silence=max(silences, default=0.0),
        faults=Counter(entry.fault.kind for entry in h.of(h.FaultBegun, entries)),
        ends=Counter(event["type"] for final in finals for event in final.log if event["terminal"]),
    )
