"""The SQL statements of `data`. No I/O."""

# ruff: noqa: S608 - names are quoted, and a workspace runs nothing but reading statements

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worker.crew.lookup import literal
from worker.models.playbook.columns import MAX_GROUPS, Column
from worker.models.playbook.planning import Plan
from worker.workspace.identifiers import quote

_FUNCTIONS = {
    "sum": "SUM(",
    "average": "AVG(",
    "count": "COUNT(",
    "distinct": "COUNT(DISTINCT ",
    "max": "MAX(",
    "min": "MIN(",
}
_CUT = {"year": 4, "month": 7, "day": 10}

#: The name of a span to the condition that a row lies in it.
Conditions = Mapping[str, str]


def what(plan: Plan) -> str:
    """What is computed, in words."""
    names = {
        "count": "number of rows",
        "average": f"average {plan.measure}",
        "distinct": f"number of different values of {plan.measure}",
        "max": f"highest {plan.measure} of a single row",
        "min": f"lowest {plan.measure} of a single row",
    }
    return names.get(plan.aggregate, plan.measure)


def total_sql(table: str, plan: Plan, spans: Conditions) -> str:
    return f"SELECT {_aggregate(plan)} AS value FROM {quote(table)}{_where(plan, spans)}"


def group_sql(table: str, plan: Plan, spans: Conditions) -> str:
    """The measure for each group, the wanted end first."""
    return (
        f"SELECT {quote(plan.dimension)}, {_aggregate(plan)} AS {quote(what(plan))} FROM {quote(table)}"
        f"{_where(plan, spans)} GROUP BY 1 ORDER BY 2 {'ASC' if plan.ascending else 'DESC'}, 1{_limit(plan)}"
    )


def time_sql(table: str, plan: Plan, column: Column, spans: Conditions) -> str:
    """The measure for each month, quarter or other time; in the order of time, or the wanted end first."""
    order = f"2 {'ASC' if plan.ascending else 'DESC'}, 1" if plan.ranked else "1"
    return (
        f"SELECT {_time(plan, column, spans)} AS {quote(plan.period)}, {_aggregate(plan)} AS {quote(what(plan))}"
        f" FROM {quote(table)}{_where(plan, spans, also=f'{quote(plan.period)} IS NOT NULL')}"
        f" GROUP BY 1 ORDER BY {order}{_limit(plan) if plan.ranked else ''}"
    )


def periods_sql(table: str, column: Column) -> str:
    """The values that a span can cover: months where there are any, else the values themselves."""
    return f"SELECT DISTINCT {_label(column)} AS period FROM {quote(table)} WHERE {quote(column.name)} IS NOT NULL"


def values_sql(table: str, column: str) -> str:
    """The different values of a column."""
    return f"SELECT DISTINCT {quote(column)} FROM {quote(table)} WHERE {quote(column)} IS NOT NULL LIMIT {MAX_GROUPS}"


def span_condition(column: Column, values: Sequence[str]) -> str:
    return f"{_label(column)} IN ({', '.join(map(literal, values))})"


def _label(column: Column) -> str:
    text = f"CAST({quote(column.name)} AS TEXT)"
    return f"substr({text}, 1, 7)" if column.has_months else text


def _time(plan: Plan, column: Column, spans: Conditions) -> str:
    if plan.grain == "spans":
        cases = (f"WHEN {condition} THEN {literal(span)}" for span, condition in spans.items())
        return f"CASE {' '.join(cases)} END"
    name = f"CAST({quote(column.name)} AS TEXT)"
    if not column.has_months:
        return name
    if plan.grain == "quarter":
        return f"substr({name}, 1, 4) || '-Q' || ((CAST(substr({name}, 6, 2) AS INTEGER) + 2) / 3)"
    return f"substr({name}, 1, {_CUT[plan.grain]})"


def _aggregate(plan: Plan) -> str:
    return f"{_FUNCTIONS[plan.aggregate]}{quote(plan.measure) if plan.measure else '*'})"


def _where(plan: Plan, spans: Conditions, *, also: str = "") -> str:
    conditions = [f"{quote(name)} IN ({', '.join(map(literal, names))})" for name, names in (plan.only or {}).items()]
    conditions += [f"({' OR '.join(spans.values())})"] if spans else []
    conditions += [also] if also else []
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _limit(plan: Plan) -> str:
    return f" LIMIT {plan.limit}" if plan.limit else ""
