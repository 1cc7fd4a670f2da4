"""The table of a long run, as Markdown. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tests.faults.schedule import KINDS
from tests.faults.seeds import SeedResult

#: The rules behind each promise, in the order of the table.
PROMISES: dict[str, frozenset[str]] = {
    "lost": frozenset({"contiguous", "acknowledged", "equal", "delivered", "lost", "accepted", "reset", "refused"}),
    "duplicated": frozenset({"unique", "once"}),
    "out of order": frozenset({"ordered", "numbered", "fenced"}),
    "silent": frozenset({"silent", "repaired"}),
    "more than one end": frozenset({"one_end"}),
    "finished tools repeated": frozenset({"finished_repeated", "model_repeated"}),
    "tools begun again that may not be": frozenset({"begun_again", "same_key"}),
}
OTHER = "anything else"


class Total(NamedTuple):
    """All seeds together."""

    seeds: int
    runs: int
    events: int
    shown: int
    tool_calls: int
    begun_again: int
    longest_silence: float
    faults: Counter[str]
    ends: Counter[str]
    rules: Counter[str]


def add_up(results: Sequence[SeedResult]) -> Total:
    figures = [result.figures for result in results if result.figures is not None]
    return Total(
        seeds=len(results),
        runs=sum(one.runs for one in figures),
        events=sum(one.events for one in figures),
        shown=sum(one.shown for one in figures),
        tool_calls=sum(one.tool_calls for one in figures),
        begun_again=sum(one.begun_again for one in figures),
        longest_silence=max((one.longest_silence for one in figures), default=0.0),
        faults=sum((one.faults for one in figures), Counter[str]()),
        ends=sum((one.ends for one in figures), Counter[str]()),
        rules=Counter(violation.rule for result in results for violation in result.violations),
    )


def promise_of(rule: str) -> str:
    return next((promise for promise, rules in PROMISES.items() if rule in rules), OTHER)


def table(total: Total, *, mutants: str, seconds: float, versions: Mapping[str, str]) -> str:
    """What was done, and what came of it."""
    broken = Counter[str]()
    for rule, count in total.rules.items():
        broken[promise_of(rule)] += count
    rows: list[tuple[str, object]] = [
        ("seeds", total.seeds),
        ("runs", total.runs),
        ("events in logs", f"{total.events:,}"),
        ("events shown to viewers", f"{total.shown:,}"),
        ("tool calls", f"{total.tool_calls:,}"),
        ("faults", total.faults.total()),
        *((f"**{promise}**", broken[promise]) for promise in [*PROMISES, OTHER]),
        ("calls in flight at a fault, begun again with their key", total.begun_again),
        ("longest silence in a run", f"{total.longest_silence:.1f} s"),
        ("mutants caught", mutants),
        ("wall time", f"{seconds / 60:.1f} min"),
        *versions.items(),
    ]
    parts = [_rows(("what", "count"), rows), _rows(("fault", "times"), _faults(total.faults))]
    parts.append(_rows(("how runs ended", "runs"), sorted(total.ends.items())))
    if total.rules:
        parts.append(_rows(("broken rule", "times"), total.rules.most_common()))
    return "\n".join(parts)


def _faults(faults: Counter[str]) -> list[tuple[str, object]]:
    return [(kind.replace("_", " "), faults[kind]) for kind in [*KINDS, "rollback"] if faults[kind]]


def _rows(heads: tuple[str, str], rows: Iterable[tuple[str, object]]) -> str:
    lines = [f"| {heads[0]} | {heads[1]} |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join(lines) + "\n"
