"""The table of a long run: what is added up, and under which promise a broken rule counts."""

from __future__ import annotations

from collections import Counter

from tests.faults.checker import Figures
from tests.faults.facts import Violation
from tests.faults.report import OTHER, PROMISES, add_up, promise_of, table
from tests.faults.seeds import SeedResult

FIGURES = Figures(
    runs=2,
    events=30,
    shown=60,
    tool_calls=8,
    begun_again=1,
    longest_silence=2.5,
    faults=Counter(worker_kill=1),
    ends=Counter(agent_completed=2),
)


def test_seeds_are_added_up_and_the_longest_silence_is_kept() -> None:
    quiet = FIGURES._replace(longest_silence=0.5)

    total = add_up([SeedResult(1, 5.0, FIGURES, []), SeedResult(2, 6.0, quiet, []), SeedResult(3, 1.0, None, [])])

    assert (total.seeds, total.runs, total.events, total.begun_again) == (3, 4, 60, 2)
    assert total.longest_silence == 2.5
    assert total.faults == {"worker_kill": 2}


def test_a_broken_rule_counts_under_its_promise() -> None:
    assert promise_of("unique") == "duplicated"
    assert promise_of("harness") == OTHER
    rules = [rule for rules in PROMISES.values() for rule in rules]
    assert len(rules) == len(set(rules))


def test_the_table_tells_what_was_broken() -> None:
    broken = SeedResult(1, 5.0, FIGURES, [Violation("silent", "run_1", "no end")])

    text = table(add_up([broken]), mutants="5 of 5", seconds=90, versions={"date": "2026-01-01"})

    assert "| **silent** | 1 |" in text
    assert "| **lost** | 0 |" in text
    assert "| worker kill | 1 |" in text
    assert "| mutants caught | 5 of 5 |" in text
    assert "| wall time | 1.5 min |" in text
