"""The script of `data`: looks at the tables, computes what the question asks, shows a chart, states the numbers."""

# ruff: noqa: S608 - names are quoted, and a workspace runs nothing but reading statements

from __future__ import annotations

from typing import Any

from worker.crew.lookup import literal
from worker.models.playbook.planning import Column, Plan, choose_table, make_plan, read_columns
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
from worker.workspace.identifiers import quote

_FUNCTIONS = {"sum": "SUM", "average": "AVG", "count": "COUNT"}
_MAX_BARS = 20
_SHOWN_ROWS = 8


def data(task: Task) -> Script:
    """Answer a question from the tables."""
    question = question_of(task.text)
    listed = yield Call("list_tables", {}, "First I look which tables there are.")
    tables = [row for row in listed["rows"] if row[1]]
    if not tables:
        return f"{INSUFFICIENT} there is no table with rows yet."
    table = choose_table(question, tables)
    described = yield Call("describe_table", {"table": table}, f"`{table}` fits best. I look at its columns.")
    columns = read_columns(described)
    plan = make_plan(question, columns)
    if plan.missing:
        return f"{INSUFFICIENT} the table `{table}` lacks {plan.missing}."
    if plan.change and plan.dimension:
        text = yield from _compare(table, plan)
    elif plan.change:
        text = yield from _trend(table, plan)
    elif plan.dimension:
        text = yield from _rank(table, plan)
    else:
        text = yield from _total(table, plan)
    source = Source(table, plan.dimension or "none", plan.measure or "rows", plan.period or None)
    return "\n\n".join(part for part in (text, _doubts(plan, columns), source_line(source)) if part)


def _compare(table: str, plan: Plan) -> Script:
    """Which group gained or lost between the first and the last period."""
    sums = yield Call("query_data", {"sql": group_sql(table, plan)}, f"How much has each {plan.dimension} in all?")
    found = yield Call(
        "compare_groups",
        {
            "table": table,
            "dimension": plan.dimension,
            "measure": plan.measure or plan.dimension,
            "period": plan.period,
            "aggregate": plan.aggregate,
            "order": "losses" if plan.ascending else "gains",
            **({"only": plan.only} if plan.only else {}),
        },
        f"Now the change of each {plan.dimension} over time.",
    )
    rows = found["rows"]
    yield Call(
        "make_chart",
        {
            "chart": "bar",
            "title": f"{_what(plan)} by {plan.dimension}, {found['first']} and {found['last']}",
            "x_label": plan.dimension,
            "y_label": _what(plan),
            "labels": [str(row[0]) for row in rows[:_MAX_BARS]],
            "series": [
                {"name": found["first"], "values": [row[1] for row in rows[:_MAX_BARS]]},
                {"name": found["last"], "values": [row[2] for row in rows[:_MAX_BARS]]},
            ],
        },
        "I show both periods side by side.",
    )
    total = (
        f"All {sums['total_rows']} together went from {number(found['total_first'])} to {number(found['total_last'])}."
    )
    headline = _change_headline(plan, found)
    return f"{headline}\n\n{markdown_table(found['columns'], rows[:_SHOWN_ROWS])}\n\n{total}"


def _trend(table: str, plan: Plan) -> Script:
    """How the measure went over time, without groups."""
    when = f"substr({quote(plan.period)}, 1, 7)"
    sql = (
        f"SELECT {when} AS period, {_aggregate(plan)} AS value FROM {quote(table)}"
        f"{_where(plan, also=f'{quote(plan.period)} IS NOT NULL')} GROUP BY 1 ORDER BY 1 LIMIT 200"
    )
    result = yield Call("query_data", {"sql": sql, "max_rows": 200}, f"I add up {_what(plan)} by month.")
    rows = result["rows"]
    if len(rows) < 2:
        return f"There is only one period, so no change can be seen.\n\n{markdown_table(result['columns'], rows)}"
    yield Call(
        "make_chart",
        {
            "chart": "line",
            "title": f"{_what(plan)} over time",
            "x_label": plan.period,
            "y_label": _what(plan),
            "labels": [str(row[0]) for row in rows],
            "series": [{"name": _what(plan), "values": [row[1] for row in rows]}],
        },
        "A line shows it best.",
    )
    first, last = rows[0], rows[-1]
    change = (last[1] or 0) - (first[1] or 0)
    shown = markdown_table(["period", _what(plan)], rows[-_SHOWN_ROWS:])
    return (
        f"**{_what(plan).capitalize()}{_of(plan)} went from {number(first[1])} in {first[0]} to {number(last[1])} in "
        f"{last[0]} ({signed_number(round(change, 2))}).**\n\n{shown}"
    )


def _rank(table: str, plan: Plan) -> Script:
    """Which group has most, or least."""
    result = yield Call(
        "query_data", {"sql": group_sql(table, plan)}, f"I compute {_what(plan)} for each {plan.dimension}."
    )
    rows = result["rows"]
    if not rows:
        return "No row fits the question."
    yield Call(
        "make_chart",
        {
            "chart": "bar",
            "title": f"{_what(plan)} by {plan.dimension}",
            "x_label": plan.dimension,
            "y_label": _what(plan),
            "labels": ["(empty)" if row[0] is None else str(row[0]) for row in rows[:_MAX_BARS]],
            "series": [{"name": _what(plan), "values": [row[1] for row in rows[:_MAX_BARS]]}],
        },
        "I show it as bars.",
    )
    place = "lowest" if plan.ascending else "highest"
    return (
        f"**{rows[0][0]} has the {place} {_what(plan)}: {number(rows[0][1])}.**\n\n"
        f"{markdown_table(result['columns'], rows[:_SHOWN_ROWS])}"
    )


def _total(table: str, plan: Plan) -> Script:
    sql = f"SELECT {_aggregate(plan)} AS value FROM {quote(table)}{_where(plan)}"
    result = yield Call("query_data", {"sql": sql}, f"I compute {_what(plan)} over the whole table.")
    return f"**{_what(plan).capitalize()}{_of(plan)}: {number(result['rows'][0][0])}.**"


def group_sql(table: str, plan: Plan) -> str:
    """The statement that computes the measure for each group, the wanted end first."""
    name = _what(plan)
    return (
        f"SELECT {quote(plan.dimension)}, {_aggregate(plan)} AS {quote(name)} FROM {quote(table)}{_where(plan)} "
        f"GROUP BY 1 ORDER BY 2 {'ASC' if plan.ascending else 'DESC'}, 1"
    )


def _change_headline(plan: Plan, found: dict[str, Any]) -> str:
    group, before, after, change, percent = found["rows"][0]
    span = f"from {found['first']} to {found['last']}"
    relative = f", {signed_number(percent)} %" if percent is not None else ""
    numbers = f"{number(before)} → {number(after)} ({signed_number(change)}{relative})"
    if plan.ascending and change >= 0:
        return f"**No {plan.dimension} lost {_what(plan)} {span}; {group} gained least: {numbers}.**"
    if not plan.ascending and change <= 0:
        return f"**No {plan.dimension} gained {_what(plan)} {span}; {group} lost least: {numbers}.**"
    return f"**{group} {'lost' if plan.ascending else 'gained'} most {_what(plan)} {span}: {numbers}.**"


def _what(plan: Plan) -> str:
    if plan.aggregate == "count":
        return "number of rows"
    return f"average {plan.measure}" if plan.aggregate == "average" else plan.measure


def _of(plan: Plan) -> str:
    return f" ({', '.join(plan.only.values())})" if plan.only else ""


def _aggregate(plan: Plan) -> str:
    return f"{_FUNCTIONS[plan.aggregate]}({quote(plan.measure) if plan.measure else '*'})"


def _where(plan: Plan, *, also: str = "") -> str:
    conditions = [f"{quote(name)} = {literal(value)}" for name, value in (plan.only or {}).items()]
    conditions += [also] if also else []
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _doubts(plan: Plan, columns: list[Column]) -> str:
    used = {plan.measure, plan.dimension, plan.period}
    empty = [f"`{column.name}` ({column.empty:,})" for column in columns if column.name in used and column.empty]
    return f"Empty cells are left out: {', '.join(empty)}." if empty else ""
