"""Finding tables and columns of a workspace by name, with errors that say what there is."""

from __future__ import annotations

from typing import Any, NamedTuple

from worker.agent.ports import Workspace
from worker.crew.errors import BadRequest

#: A query of a tool; half of what a tool may take, so that the tool still answers.
QUERY_SECONDS = 12.0


class Column(NamedTuple):
    name: str
    #: integer, real, date, boolean or text.
    type: str

    @property
    def is_number(self) -> bool:
        return self.type in ("integer", "real")


class Table(NamedTuple):
    name: str
    columns: list[Column]
    rows: int

    def column(self, name: str) -> Column:
        """Find a column, whatever its case.

        Raises:
            BadRequest: There is none.
        """
        for column in self.columns:
            if column.name.lower() == name.lower():
                return column
        names = ", ".join(column.name for column in self.columns[:60])
        raise BadRequest(f"{self.name} has no column {name[:80]!r}; it has: {names}.")


def all_tables(workspace: Workspace) -> list[Table]:
    """The tables that can be used."""
    return [_table(described) for described in workspace.tables() if not described.get("problem")]


def find_table(workspace: Workspace, name: str) -> Table:
    """Find a table, whatever its case.

    Raises:
        BadRequest: There is none of that name, or it cannot be used.
    """
    described = workspace.tables()
    for candidate in described:
        if candidate["name"].lower() == name.lower():
            if problem := candidate.get("problem"):
                raise BadRequest(f"{name} cannot be used: {problem}")
            return _table(candidate)
    names = ", ".join(candidate["name"] for candidate in described) or "none yet"
    raise BadRequest(f"There is no table {name[:80]!r}; there are: {names}.")


def rows_of(workspace: Workspace, sql: str, *, max_rows: int = 1000) -> list[list[Any]]:
    """Run a query of our own and return its rows."""
    return workspace.query(sql, max_rows=max_rows, seconds=QUERY_SECONDS).rows


def literal(value: str) -> str:
    """Write a text as an SQL literal."""
    return "'" + value.replace("'", "''").replace("\0", "") + "'"


def _table(described: dict[str, Any]) -> Table:
    columns = [Column(column["name"], column["type"]) for column in described["columns"]]
    return Table(described["name"], columns, described["rows"])
