"""From what a question says and the columns of a table to what to compute, or to why nothing can be. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

from worker.crew.wording import CONCEPTS, GAIN_WORDS, LOSS_WORDS, match_column, words
from worker.models.playbook.columns import Column
from worker.models.playbook.intents import split_messages
from worker.models.playbook.reading import Reading, follow_up, read_question
from worker.models.playbook.spans import Spans

_FINENESS = ("year", "quarter", "month", "day")
_NO_DATES = "a date column, to see a change over time"


class Plan(NamedTuple):
    """What to compute; `missing` or `unable` says why nothing can be."""

    measure: str = ""
    #: Column whose values are the groups; empty for none.
    dimension: str = ""
    period: str = ""
    #: sum, average, count (of rows), distinct, max, min.
    aggregate: str = "sum"
    #: Whether the answer is a change between two periods.
    change: bool = False
    #: Losses, or the smallest value, first.
    ascending: bool = False
    only: Mapping[str, tuple[str, ...]] | None = None
    #: Group by time: month, quarter, year, day; "spans" for the spans themselves.
    grain: str = ""
    #: Whether the largest or smallest of the times is wanted, rather than their course.
    ranked: bool = False
    spans: Spans = Spans()
    #: Groups to show; 0 for all.
    limit: int = 0
    #: What the table lacks.
    missing: str = ""
    #: What these rules cannot do.
    unable: str = ""
    #: Words that the answer does not go into.
    beside: tuple[str, ...] = ()


def choose_table(question: str, tables: Sequence[Sequence[Any]]) -> str:
    """Choose from the rows of `list_tables`.

    A table that the question calls a table, even an empty one, comes first; then one with rows, then the one that
    shares most words with the question, then the newest.
    """
    asked = words(question)

    def fitness(place: int) -> tuple[bool, bool, int, int]:
        name, rows, columns, _ = tables[place]
        shared = len(set(asked) & set(words(f"{name} {columns}")))
        return _is_named(asked, words(str(name))), bool(rows), shared, place

    return str(tables[max(range(len(tables)), key=fitness)][0])


def make_plan(
    question: str, columns: Sequence[Column], values: Mapping[str, Sequence[str]] | None = None, table: str = ""
) -> Plan:
    """Decide what to compute.

    Args:
        values: column to the values that a question can name; by default those that `describe_table` has told.
    """
    known = values if values is not None else {one.name: one.top_values for one in columns if one.is_dimension}
    readings = [read_question(message, columns, known, table) for message in split_messages(question)]
    reading = reduce(follow_up, readings)
    missing, unable = _not_understood(reading.unknown, columns)
    if missing or unable:
        return Plan(missing=missing, unable=unable)
    plan = _plan(question, reading, columns)
    if plan.missing:
        return plan
    why = next((reason for reason, applies in _limits(reading, plan, columns).items() if applies), "")
    return Plan(unable=why) if why else plan


def _plan(question: str, reading: Reading, columns: Sequence[Column]) -> Plan:
    measures = [column.name for column in columns if column.is_measure]
    periods = {column.name: column for column in columns if column.is_period}
    if (reading.change or reading.grain or reading.spans.periods) and not periods:
        return Plan(missing=_NO_DATES if reading.change else "a date column, to tell the times apart")
    period = (match_column(question, periods, "period") or next(iter(periods))) if periods else ""
    counted = "count" if not measures and not reading.measure else reading.aggregate
    dimension = _dimension(reading, columns)
    grain = _grain(reading, dimension, periods.get(period))
    if grain in _FINENESS and _FINENESS.index(grain) > _FINENESS.index(periods[period].grain):
        return Plan(
            missing=f"a column that tells each {grain}; `{period}` holds no more than the {periods[period].grain}"
        )
    if reading.end and not (dimension or grain or counted or reading.change):
        counted = "max" if reading.end == "most" else "min"
    return Plan(
        measure="" if counted == "count" else reading.measure or _usual_measure(measures),
        dimension=dimension,
        period=period,
        aggregate=counted or "sum",
        change=reading.change,
        ascending=_loses(question) if reading.change else reading.end == "least",
        only=dict(reading.only) or None,
        grain=grain,
        ranked=bool(grain and reading.end and not reading.change),
        spans=reading.spans._replace(ranged=False) if grain == "spans" else reading.spans,
        limit=reading.limit,
        beside=(*reading.beside, *(["chart"] if reading.charted and not (dimension or grain) else [])),
    )


def _dimension(reading: Reading, columns: Sequence[Column]) -> str:
    """By what to group: as asked, else by the column of which several values are named, else what `who` may mean."""
    several = [name for name, names in reading.only.items() if len(names) > 1]
    if reading.dimension and (reading.dimension in several or reading.dimension not in reading.only):
        return reading.dimension
    if several:
        return several[0]
    free = [column.name for column in columns if column.is_dimension and column.name not in reading.only]
    return free[0] if free and reading.change and reading.which and not reading.grain else ""


def _grain(reading: Reading, dimension: str, period: Column | None) -> str:
    several = len(reading.spans.periods) > 1
    if period is None or dimension:
        # How a change went over time, group by group, is what a comparison of groups shows.
        return "" if reading.over_time and reading.change else reading.grain
    if several and (reading.change or not (reading.grain or reading.spans.ranged)):
        return "spans"
    if reading.grain == "own" or (reading.over_time and not period.has_months):
        return period.grain
    if reading.change and not reading.grain:
        return "month" if period.has_months else period.grain
    return reading.grain


def _not_understood(unknown: Sequence[str], columns: Sequence[Column]) -> tuple[str, str]:
    """What the words that nothing explains mean: a column that is lacking, or something that has no rule."""
    present = {word for column in columns for word in words(column.name)}
    lacking = []
    for word in unknown:
        concepts = [(name, one) for name, one in CONCEPTS.items() if word in one.words and one.role != "period"]
        if not concepts or any(one.words & present for _, one in concepts):
            return "", f"has no rule for: {', '.join(unknown)}"
        name, concept = concepts[0]
        lacking.append(f"a column of numbers for {name}" if concept.role == "measure" else f"a column for {name}")
    return (lacking[0] if lacking else ""), ""


def _limits(reading: Reading, plan: Plan, columns: Sequence[Column]) -> Mapping[str, bool]:
    """What the rules cannot do, and whether this plan would need it."""
    several = [name for name, names in reading.only.items() if len(names) > 1]
    grouped, timed = bool(plan.dimension), bool(plan.grain)
    says_something = (*reading[:7], reading.only, reading.spans.periods, reading.compared)
    return {
        "found nothing in it that the tables are about": not any(says_something),
        "groups by one thing at a time": (grouped and timed)
        or len(several) > 1
        or (reading.compared and bool(several) and plan.dimension not in several)
        or (reading.compared and grouped and len(reading.spans.periods) > 1),
        "compares groups or periods, and found fewer than two": reading.compared and not (grouped or timed),
        "does not know of what the question wants one": not (grouped or timed)
        and (bool(plan.limit) or reading.which_period or (bool(reading.end) and (reading.which or plan.change))),
        "does not tell which single period changed most": plan.change
        and timed
        and (bool(reading.end) or reading.which_period),
        "does not know by what to choose among periods": reading.which_period and not plan.ranked,
        "sees changes of groups from the first to the last period only, for all values of the groups": plan.change
        and grouped
        and bool(plan.spans.periods or several),
        "cannot gather the periods of this table into longer ones": plan.grain in _FINENESS
        and not _fits(plan, columns),
        "does not count different values over time": plan.aggregate == "distinct" and plan.change,
        "does not know whether the average of rows or of periods is meant": plan.aggregate == "average"
        and timed
        and not plan.change,
        "finds the largest or smallest single value of all rows only": plan.aggregate in ("max", "min")
        and (grouped or timed or plan.change or bool(reading.end and reading.aggregate)),
        "cannot tell a total from a single value here": bool(reading.end)
        and not (grouped or timed)
        and plan.aggregate not in ("max", "min"),
    }


def _fits(plan: Plan, columns: Sequence[Column]) -> bool:
    column = next(one for one in columns if one.name == plan.period)
    return column.has_months or column.grain == plan.grain


def _usual_measure(measures: list[str]) -> str:
    """What people mean when they name no measure: revenue rather than a number of units."""
    for concept in CONCEPTS.values():
        for name in measures:
            if concept.role == "measure" and concept.words & set(words(name)):
                return name
    return measures[0]


def _loses(question: str) -> bool:
    asked = words(question)
    loss = next((place for place, word in enumerate(asked) if word in LOSS_WORDS), None)
    gain = next((place for place, word in enumerate(asked) if word in GAIN_WORDS), None)
    return gain is None or (loss is not None and loss < gain)


def _is_named(asked: list[str], name: list[str]) -> bool:
    """Whether a table is called by its name: `the empty table`, `in table empty`."""
    size = len(name)
    for place in range(len(asked) - size + 1):
        around = {*asked[max(0, place - 1) : place], *asked[place + size : place + size + 1]}
        if size and asked[place : place + size] == name and around & {"table", "file", "csv"}:
            return True
    return False
