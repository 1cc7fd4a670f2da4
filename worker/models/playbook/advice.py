"""Scripts of `optimization`, `actions` and `reporting`: from findings to options, steps and the final text."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from typing import Any

from worker.models.playbook.prose import (
    Source,
    find_source,
    number,
    sections,
    signed,
    signed_number,
    without_source,
)
from worker.models.playbook.script import Call, Script, Task

#: Ends the options: what the plan aims at.
_GOAL = re.compile(r"^Goal: raise (?P<measure>.+) of (?P<group>.+) by (?P<amount>[\d.,]+)$", re.MULTILINE)
_COLUMN = re.compile(r"(?:^|, )(.+?) \((integer|real|date|boolean|text)\)")
_NO_SOURCE = "The findings compare no groups of a whole table, so I cannot compute any option."

_STEPS_WITHOUT_GOAL = (
    "**Tomorrow:** agree on one number that should change. Role: the owner of the question.",
    "**Within 30 days:** collect that number once a month, so that a change can be seen. Role: analyst.",
)

Asking = Generator[Call, Any, Any]


def optimization(task: Task) -> Script:
    """Find what drives the finding, and what each option is worth."""
    source = find_source(task.text)
    if source is None or source.dimension == "none" or source.measure == "rows":
        return _NO_SOURCE
    if source.period is None:
        return (yield from _raise_to_average(source))
    return (yield from _win_back(source, source.period))


def actions(task: Task) -> Script:
    """Turn the goal of the options into steps with targets."""
    goal = _GOAL.search(task.text)
    if goal is None:
        return _numbered(_STEPS_WITHOUT_GOAL)
    amount = float(goal["amount"].replace(",", ""))
    query = f"{goal['group']} {goal['measure']} plan target"
    hits = yield Call("search_documents", {"query": query, "limit": 3}, "Do the user's documents say anything on this?")
    first = yield from _computed(f"round({amount} * 0.25, 2)", "A quarter of the goal is the first target.")
    second = yield from _computed(f"round({amount} * 0.6, 2)", "Sixty percent is the second.")
    known = sorted({row[0] for row in hits["rows"]})
    read = f" Read first what is in {', '.join(f'`{name}`' for name in known)}." if known else ""
    group, measure = goal["group"], goal["measure"]
    steps = (
        f"**Tomorrow:** list what changed in {group}: prices, people, stock, customers who left.{read} Role: analyst.",
        f"**Within 30 days:** act on the largest cause. Target: {signed_number(first)} {measure}. "
        f"Role: head of {group}.",
        f"**Within 60 days:** copy what the strongest group does. Target: {signed_number(second)} {measure}. "
        "Role: head of sales.",
        f"**Within 90 days:** reach {signed_number(amount)} {measure}, or stop and look again. Role: management.",
    )
    return _numbered(steps)


def reporting(task: Task) -> Script:
    """Write the final text from what the others have found. Needs no tool: every number is in the task."""
    parts = sections(task.text)
    findings = without_source(parts.get("Findings", "")) or "There are no findings."
    answer, _, rest = findings.partition("\n\n")
    blocks = [answer, f"## Findings\n\n{rest}" if rest else ""]
    if options := _GOAL.sub("", parts.get("Options", "")).strip():
        blocks.append(f"## What could be done\n\n{options}")
    if steps := parts.get("Actions", ""):
        blocks.append(f"## Next steps\n\n{steps}")
    return signed("\n\n".join(block for block in blocks if block))
    yield  # makes this a script like the others


def _win_back(source: Source, period: str) -> Script:
    """Options for what was lost between two periods."""
    asked = {"table": source.table, "measure": source.measure, "period": period}
    found = yield Call("compare_groups", {**asked, "dimension": source.dimension}, "I measure the change again.")
    worst, before, after, change, _ = found["rows"][0]
    best, *_, gain, _ = found["rows"][-1]
    if change >= 0:
        return f"No {source.dimension} lost {source.measure}, so there is nothing to win back."
    driver = yield from _driver(source, asked, str(worst))
    loss = yield from _computed(f"{before or 0} - {after or 0}", f"How much did {worst} lose?")
    half = yield from _computed(f"round({loss} / 2, 2)", "What would it be worth to win back half?")
    share = yield from _computed(
        f"round({half} / {found['total_last'] or 1} * 100, 1)", f"And in percent of all {source.measure} now?"
    )
    options = [*driver]
    options.append(
        f"**Win back half of what {worst} lost.** Worth {signed_number(half)} {source.measure}, {number(share)} % of "
        f"the total of {found['last']}. Assumption: half of the loss can be reversed."
    )
    if gain > 0 and best != worst:
        options.append(
            f"**Learn from {best}.** It gained {signed_number(gain)} {source.measure} in the same time; find out "
            f"what is done differently there. Assumption: it can be copied."
        )
    return f"{_numbered(options)}\n\nGoal: raise {source.measure} of {worst} by {number(half)}"


def _driver(source: Source, asked: dict[str, str], worst: str) -> Asking:
    """What lies behind the loss of a group: the change by another column, within the group."""
    listed = yield Call("list_tables", {}, f"By which other column can the loss of {worst} be split?")
    other = _other_dimension(listed["rows"], source)
    if other is None:
        return []
    inside = yield Call(
        "compare_groups",
        {**asked, "dimension": other, "only": {source.dimension: worst}},
        f"I split the loss of {worst} by {other}.",
    )
    name, before, after, change, _ = inside["rows"][0]
    if change >= 0:
        return []
    return [
        f"**Begin with {name} in {worst}.** It lost most there: {number(before)} → {number(after)} "
        f"({signed_number(change)} {source.measure})."
    ]


def _raise_to_average(source: Source) -> Script:
    """Options for the weakest group when nothing is known about time."""
    found = yield Call(
        "compare_groups",
        {"table": source.table, "dimension": source.dimension, "measure": source.measure},
        "I put the groups side by side.",
    )
    rows = [row for row in found["rows"] if row[1] is not None]
    if len(rows) < 2:
        return f"There is only one {source.dimension}, so there is nothing to compare it with."
    values = ", ".join(str(row[1]) for row in rows[:20])
    average = yield from _computed(f"round(mean({values}), 2)", "What is the average?")
    (best, most, _), (worst, least, _) = rows[0], rows[-1]
    gap = yield from _computed(f"round({average} - {least}, 2)", f"How far below it is {worst}?")
    options = [
        f"**Raise {worst} to the average.** Worth {signed_number(gap)} {source.measure}: {number(least)} now, "
        f"{number(average)} on average. Assumption: {worst} is comparable with the others.",
        f"**Learn from {best}**, which leads with {number(most)}. Assumption: what works there can be copied.",
    ]
    return f"{_numbered(options)}\n\nGoal: raise {source.measure} of {worst} by {number(gap)}"


def _computed(expression: str, thought: str) -> Asking:
    result = yield Call("calculate", {"expression": expression}, thought)
    return result["result"]


def _other_dimension(tables: list[list[Any]], source: Source) -> str | None:
    columns = next((row[2] for row in tables if row[0] == source.table), "")
    names = [name for name, kind in _COLUMN.findall(columns) if kind in ("text", "boolean")]
    return next((name for name in names if name not in (source.dimension, source.period)), None)


def _numbered(lines: Sequence[str]) -> str:
    return "\n".join(f"{place}. {line}" for place, line in enumerate(lines, start=1))
