"""The script of `data`: looks at the tables, computes what the question asks, shows a chart, states the numbers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from worker.crew.periods import parse_period
from worker.models.playbook.columns import MAX_GROUPS, Column, read_columns
from worker.models.playbook.planning import Plan, choose_table, make_plan
from worker.models.playbook.prose import (
    INSUFFICIENT,
    Source,
    markdown_table,
    number,
    question_of,
    signed_number,
    source_line,
)
from worker.models.playbook.script import Call, Script, Task
from worker.models.playbook.spans import covered
from worker.models.playbook.statements import (
    Conditions,
    group_sql,
    periods_sql,
    span_condition,
    time_sql,
    total_sql,
    values_sql,
    what,
)

_MAX_BARS = 20
_SHOWN_ROWS = 8
_SHOWN_PERIODS = 24
#: Rows that `query_data` gives.
_MAX_PERIODS = 200
#: Columns whose values are looked up for a word that nothing else explains.
_MAX_LOOKED_UP = 4
_UNABLE = (
    "I give no number here, since it would answer another question: the built-in offline model {why}. "
    "The offline model cannot do that; set a model key, or ask for something plainer, such as "
    "**total revenue by region**."
)

Asking = Generator[Call, Any, Any]


def data(task: Task) -> Script:
    """Answer a question from the tables."""
    question = question_of(task.text)
    listed = yield Call("list_tables", {}, "First I look which tables there are.")
    if not listed["rows"]:
        return f"{INSUFFICIENT} there is no table yet."
    table = choose_table(question, listed["rows"])
    if not next(row[1] for row in listed["rows"] if row[0] == table):
        return f"{INSUFFICIENT} `{table}` has no rows."
    described = yield Call("describe_table", {"table": table}, f"`{table}` fits best. I look at its columns.")
    columns = read_columns(described)
    plan = make_plan(question, columns, table=table)
    if plan.unable or plan.missing:
        plan = make_plan(question, columns, (yield from _all_values(table, columns)), table)
    if plan.unable:
        return _UNABLE.format(why=plan.unable)
    if plan.missing:
        return f"{INSUFFICIENT} the table `{table}` lacks {plan.missing}."
    return (yield from _answer(table, plan, columns))


def _all_values(table: str, columns: Sequence[Column]) -> Asking:
    """What the question may name: the values of each column, looked up where `describe_table` tells only some."""
    values = {column.name: column.top_values for column in columns if column.is_dimension}
    partly = [column.name for column in columns if column.name in values and column.distinct > len(column.top_values)]
    for name in partly[:_MAX_LOOKED_UP]:
        asked = {"sql": values_sql(table, name), "max_rows": MAX_GROUPS}
        found = yield Call("query_data", asked, f"Does the question name a value of `{name}`?")
        values[name] = [str(row[0]) for row in found["rows"]]
    return values


def _answer(table: str, plan: Plan, columns: Sequence[Column]) -> Script:
    period = next((column for column in columns if column.name == plan.period), None)
    spans: Conditions = {}
    if period and plan.spans.periods:
        spans, problem = yield from _find_spans(table, plan, period)
        if problem:
            return f"{INSUFFICIENT} {problem}"
    if plan.change and plan.dimension:
        text = yield from _compare(table, plan)
    elif plan.grain and period:
        text = yield from _over_time(table, plan, period, spans)
    elif plan.dimension:
        text = yield from _rank(table, plan, spans)
    else:
        text = yield from _total(table, plan, spans)
    # What follows from findings on a part of the table cannot be worked out from the whole of it.
    dimension = "none" if plan.only or spans else plan.dimension
    source = Source(table, dimension or "none", plan.measure or "rows", plan.period or None)
    return "\n\n".join(part for part in (text, *_doubts(plan, columns), source_line(source)) if part)


def _find_spans(table: str, plan: Plan, period: Column) -> Asking:
    """The conditions for the periods that the question names, and what is wrong with them, if anything."""
    asked = {"sql": periods_sql(table, period), "max_rows": _MAX_PERIODS}
    found = yield Call("query_data", asked, "Which of its periods are meant?")
    if found["total_rows"] > len(found["rows"]):
        return {}, f"`{plan.period}` has too many different values to restrict them to a period."
    values = sorted((str(row[0]) for row in found["rows"]), key=lambda value: parse_period(value) or (0,))
    conditions = {}
    for name, inside in covered(plan.spans, values).items():
        if not inside:
            return {}, f"`{table}` has nothing for {name}; `{plan.period}` goes from {values[0]} to {values[-1]}."
        years = sorted({value[:4] for value in inside}) if period.has_months else []
        dated = f"{name} of {', '.join(years)}" if years and not any(year in name for year in years) else name
        conditions[dated] = span_condition(period, inside)
    return conditions, ""


def _compare(table: str, plan: Plan) -> Script:
    """Which group gained or lost between the first and the last period."""
    yield Call("query_data", {"sql": group_sql(table, plan, {})}, f"How much has each {plan.dimension} in all?")
    found = yield Call(
        "compare_groups",
        {
            "table": table,
            "dimension": plan.dimension,
            "measure": plan.measure or plan.dimension,
            "period": plan.period,
            "aggregate": plan.aggregate,
            "order": "losses" if plan.ascending else "gains",
            **({"only": {name: value for name, (value,) in plan.only.items()}} if plan.only else {}),
        },
        f"Now the change of each {plan.dimension} over time.",
    )
    rows = found["rows"][: plan.limit or None]
    yield Call(
        "make_chart",
        {
            "chart": "bar",
            "title": f"{what(plan)} by {plan.dimension}, {found['first']} and {found['last']}",
            "x_label": plan.dimension,
            "y_label": what(plan),
            "labels": [str(row[0]) for row in rows[:_MAX_BARS]],
            "series": [
                {"name": found["first"], "values": [row[1] for row in rows[:_MAX_BARS]]},
                {"name": found["last"], "values": [row[2] for row in rows[:_MAX_BARS]]},
            ],
        },
        "I show both periods side by side.",
    )
    total = (
        f"All {found['total_rows']} together went from {number(found['total_first'])} to {number(found['total_last'])}."
    )
    headline = _change_headline(plan, found)
    return f"{headline}\n\n{markdown_table(found['columns'], rows[:_SHOWN_ROWS])}\n\n{total}"


def _over_time(table: str, plan: Plan, period: Column, spans: Conditions) -> Script:
    """The measure for each time: its course, or the times that stand out."""
    asked = {"sql": time_sql(table, plan, period, spans), "max_rows": _MAX_PERIODS}
    unit = "period" if plan.grain == "spans" else plan.grain
    result = yield Call("query_data", asked, f"I compute {what(plan)} by {unit}.")
    rows = result["rows"]
    if result["total_rows"] > len(rows):
        return f"There are more than {_MAX_PERIODS} periods; ask by month or by year."
    if plan.grain == "spans" and not plan.ranked:
        rows = sorted(rows, key=lambda row: list(spans).index(row[0]))
    elif not plan.ranked and not period.has_months:
        rows = sorted(rows, key=lambda row: parse_period(str(row[0])) or (0,))
    if len(rows) < 2 and not (plan.ranked and rows):
        return f"There is only one period, so no change can be seen.\n\n{markdown_table(result['columns'], rows)}"
    yield _chart("bar" if plan.ranked else "line", f"{what(plan)} by {unit}{_of(plan, spans)}", plan.period, plan, rows)
    first, last = rows[0], rows[-1]
    change = round((last[1] or 0) - (first[1] or 0), 2)
    headline = (
        f"**{first[0]} has the {_place(plan)} {what(plan)}{_of(plan, spans)}: {number(first[1])}.**"
        if plan.ranked
        else f"**{what(plan).capitalize()}{_of(plan, spans)} went from {number(first[1])} in {first[0]} to "
        f"{number(last[1])} in {last[0]} ({signed_number(change)}).**"
    )
    shown = rows[:_SHOWN_PERIODS] if plan.ranked else rows[-_SHOWN_PERIODS:]
    return f"{headline}\n\n{markdown_table([plan.period, what(plan)], shown)}"


def _rank(table: str, plan: Plan, spans: Conditions) -> Script:
    """Which group has most, or least."""
    asked = {"sql": group_sql(table, plan, spans)}
    result = yield Call("query_data", asked, f"I compute {what(plan)} for each {plan.dimension}.")
    rows = result["rows"]
    if not rows:
        return "No row fits the question."
    yield _chart("bar", f"{what(plan)} by {plan.dimension}{_of(plan, spans)}", plan.dimension, plan, rows[:_MAX_BARS])
    among = "" if plan.dimension in (plan.only or {}) and len(plan.only or {}) == 1 and not spans else _of(plan, spans)
    return (
        f"**{rows[0][0]} has the {_place(plan)} {what(plan)}{among}: {number(rows[0][1])}.**\n\n"
        f"{markdown_table(result['columns'], rows[: plan.limit or _SHOWN_ROWS])}"
    )


def _total(table: str, plan: Plan, spans: Conditions) -> Script:
    result = yield Call("query_data", {"sql": total_sql(table, plan, spans)}, f"I compute {what(plan)}.")
    return f"**{what(plan).capitalize()}{_of(plan, spans)}: {number(result['rows'][0][0])}.**"


def _chart(chart: str, title: str, x_label: str, plan: Plan, rows: Sequence[Sequence[Any]]) -> Call:
    return Call(
        "make_chart",
        {
            "chart": chart,
            "title": title,
            "x_label": x_label,
            "y_label": what(plan),
            "labels": ["(empty)" if row[0] is None else str(row[0]) for row in rows],
            "series": [{"name": what(plan), "values": [row[1] for row in rows]}],
        },
        "A line shows it best." if chart == "line" else "I show it as bars.",
    )


def _change_headline(plan: Plan, found: dict[str, Any]) -> str:
    group, before, after, change, percent = found["rows"][0]
    span = f"from {found['first']} to {found['last']}"
    relative = f", {signed_number(percent)} %" if percent is not None else ""
    numbers = f"{number(before)} → {number(after)} ({signed_number(change)}{relative})"
    if plan.ascending and change >= 0:
        return f"**No {plan.dimension} lost {what(plan)} {span}; {group} gained least: {numbers}.**"
    if not plan.ascending and change <= 0:
        return f"**No {plan.dimension} gained {what(plan)} {span}; {group} lost least: {numbers}.**"
    return f"**{group} {'lost' if plan.ascending else 'gained'} most {what(plan)} {span}: {numbers}.**"


def _place(plan: Plan) -> str:
    return "lowest" if plan.ascending else "highest"


def _of(plan: Plan, spans: Conditions) -> str:
    """What the answer is restricted to."""
    values = [value for names in (plan.only or {}).values() for value in names]
    restricted = [*values, *([] if plan.grain == "spans" else spans)]
    return f" ({', '.join(restricted)})" if restricted else ""


def _doubts(plan: Plan, columns: Sequence[Column]) -> list[str]:
    used = {plan.measure, plan.dimension, plan.period}
    empty = [f"`{column.name}` ({column.empty:,})" for column in columns if column.name in used and column.empty]
    return [
        *([f"Empty cells are left out: {', '.join(empty)}."] if empty else []),
        *([f"Not taken into account, for want of a rule: {', '.join(plan.beside)}."] if plan.beside else []),
    ]
