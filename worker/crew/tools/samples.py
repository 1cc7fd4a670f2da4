"""The tool that invents sample data, so that there is something to ask about."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from worker.agent.tool import ToolContext, tool
from worker.crew.sampling import invent, topic_columns
from worker.crew.shapes import table_result
from worker.workspace.identifiers import unique_names

PREVIEW_ROWS = 10
MAX_COLUMNS = 30


@tool(timeout_seconds=60, idempotent=True)
def generate_sample_data(
    ctx: ToolContext,
    topic: str,
    rows: Annotated[int, Field(ge=1, le=5_000)] = 500,
    columns: Annotated[list[str], Field(min_length=1, max_length=MAX_COLUMNS)] | None = None,
    seed: int = 1,
    table: str | None = None,
) -> dict[str, Any]:
    """Invent a table about a topic and store it for the user. The same seed gives the same rows.

    Args:
        topic: What the data is about, such as sales, customers, support tickets or website traffic.
        rows: How many rows, at most 5,000.
        columns: Column names, if the topic's own ones do not fit; each is filled by the words of its name.
        seed: Another number gives other rows.
        table: Name of the table; leave out for `sample_` and the topic.
    """
    names = unique_names(columns) if columns else list(topic_columns(topic))
    sample = invent(names, rows, seed)
    ctx.report("storing", 0.5)
    saved = ctx.workspace.add_table(table or f"sample {topic}"[:40], sample.columns, sample.rows)
    return table_result(sample.columns, sample.rows[:PREVIEW_ROWS], total_rows=rows, table=saved["name"], invented=True)
