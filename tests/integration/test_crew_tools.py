"""The crew's tools on a real workspace."""

from __future__ import annotations

import inspect
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.uploads import upload
from worker.agent.errors import InvalidArguments
from worker.agent.tool import Tool, ToolContext
from worker.crew.errors import BadRequest
from worker.crew.tools.charts import make_chart
from worker.crew.tools.documents import add_document, list_documents, remove_document, search_documents
from worker.crew.tools.gaps import data_gaps
from worker.crew.tools.queries import compare_groups, query_data
from worker.crew.tools.samples import generate_sample_data
from worker.crew.tools.tables import describe_table, list_tables, save_table
from worker.workspace.errors import QueryRefused
from worker.workspaces import Workspaces

USER = "usr_1"
SALES = (
    "region,month,revenue,note\n"
    "North,2024-01,100,\nNorth,2024-02,150,\nSouth,2024-01,80,\nSouth,2024-02,20,fair\n,2024-02,5,\n"
)

CallTool = Callable[..., Any]


@pytest.fixture
def call(tmp_path: Path, redis_url: str, redis_client: redis.Redis) -> Iterator[CallTool]:
    """Calls a tool as the dispatcher does, arguments checked."""
    workspaces = Workspaces(tmp_path, redis_url=redis_url)
    upload(redis_client, USER, "sales.csv", SALES)

    async def progress(_text: str, _fraction: float | None) -> None: ...

    def report(_text: str, _fraction: float | None) -> None: ...

    context = ToolContext(
        run_id="run_1",
        thread_id="thr_1",
        user_id=USER,
        call_id="a1.t1",
        idempotency_key="run_1:a1.t1",
        workspace=workspaces.workspace(USER),
        progress=progress,
        report=report,
    )

    def run(tool: Tool, **arguments: Any) -> Any:
        assert not inspect.iscoroutinefunction(tool.function)
        leading = (context,) if tool.takes_context else ()
        return tool.function(*leading, **tool.validate(arguments))

    yield run
    workspaces.close()


def test_tables_are_listed(call: CallTool) -> None:
    assert call(list_tables) == {
        "kind": "table",
        "columns": ["table", "rows", "columns", "file"],
        "rows": [["sales", 5, "region (text), month (date), revenue (integer), note (text)", "sales.csv"]],
        "total_rows": 1,
    }


def test_a_table_is_measured_column_by_column(call: CallTool) -> None:
    described = call(describe_table, table="SALES")
    rows = {row[0]: dict(zip(described["columns"], row, strict=True)) for row in described["rows"]}
    assert rows["revenue"] == {
        "column": "revenue",
        "type": "integer",
        "filled": 5,
        "empty": 0,
        "distinct": 5,
        "min": 5,
        "max": 150,
        "mean": 71.0,
        "median": 80.0,
        "stdev": round(statistics.stdev([100, 150, 80, 20, 5]), 4),
        "top": "5 (1), 20 (1), 80 (1), 100 (1), 150 (1)",
    }
    assert rows["region"]["empty"] == 1
    assert rows["region"]["top"] == "North (2), South (2)"
    assert rows["region"]["mean"] is None
    assert described["rows_in_table"] == 5


def test_an_unknown_table_or_column_is_answered_with_those_that_exist(call: CallTool) -> None:
    with pytest.raises(BadRequest, match="no table 'orders'; there are: sales"):
        call(describe_table, table="orders")
    with pytest.raises(BadRequest, match="no column 'income'; it has: region, month, revenue, note"):
        call(describe_table, table="sales", columns=["income"])


def test_a_query_gives_rows_and_their_true_number(call: CallTool) -> None:
    result = call(query_data, sql="SELECT region, revenue FROM sales ORDER BY revenue -- all of them", max_rows=2)
    assert result["rows"] == [[None, 5], ["South", 20]]
    assert (result["total_rows"], result["more"]) == (5, True)
    with pytest.raises(QueryRefused):
        call(query_data, sql="DELETE FROM sales")


def test_groups_are_compared_between_the_first_and_the_last_period(call: CallTool) -> None:
    result = call(compare_groups, table="sales", dimension="region", measure="revenue", period="month")
    assert result["columns"] == ["region", "2024-01", "2024-02", "change", "change %"]
    assert result["rows"] == [
        ["South", 80, 20, -60, -75.0],
        ["(empty)", None, 5, 5, None],
        ["North", 100, 150, 50, 50.0],
    ]
    assert (result["total_first"], result["total_last"]) == (180, 175)
    gains = call(compare_groups, table="sales", dimension="region", measure="revenue", period="month", order="gains")
    assert gains["rows"][0][0] == "North"


def test_groups_without_a_period_get_their_share(call: CallTool) -> None:
    result = call(compare_groups, table="sales", dimension="region", measure="revenue")
    assert result["rows"] == [["North", 250, 70.4], ["South", 100, 28.2], ["(empty)", 5, 1.4]]


def test_groups_can_be_compared_within_another_group(call: CallTool) -> None:
    result = call(
        compare_groups, table="sales", dimension="note", measure="revenue", period="month", only={"region": "South"}
    )
    assert result["rows"] == [["(empty)", 80, None, -80, -100.0], ["fair", None, 20, 20, None]]
    with pytest.raises(BadRequest, match="No row is left"):
        call(
            compare_groups,
            table="sales",
            dimension="note",
            measure="revenue",
            period="month",
            only={"region": "' OR 1=1"},
        )


def test_a_measure_must_be_numbers(call: CallTool) -> None:
    with pytest.raises(BadRequest, match="region holds text, no numbers"):
        call(compare_groups, table="sales", dimension="note", measure="region")


def test_a_chart_is_made_from_a_query_or_from_values(call: CallTool) -> None:
    sql = "SELECT region, sum(revenue) AS revenue FROM sales GROUP BY 1 ORDER BY 2"
    assert call(make_chart, chart="bar", title="Revenue", sql=sql, y_label="EUR") == {
        "kind": "chart",
        "chart": "bar",
        "title": "Revenue",
        "x_label": "",
        "y_label": "EUR",
        "labels": ["(empty)", "South", "North"],
        "series": [{"name": "revenue", "values": [5, 100, 250]}],
    }
    made = call(make_chart, chart="line", title="t", labels=["a", "b"], series=[{"name": "s", "values": [1, None]}])
    assert made["series"] == [{"name": "s", "values": [1.0, None]}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"chart": "bar"}, "either `sql`, or"),
        ({"chart": "bar", "labels": ["a"]}, "either `sql`, or"),
        ({"chart": "bar", "labels": [], "series": []}, "nothing to show"),
        ({"chart": "bar", "labels": ["a"], "series": [{"name": "s", "values": [1, 2]}]}, "2 values for 1 labels"),
        ({"chart": "bar", "labels": ["a"], "series": [{"name": "s", "values": [float("inf")]}]}, "finite"),
        ({"chart": "pie", "labels": ["a"], "series": [{"name": "s", "values": [-1]}]}, "without negative"),
        ({"chart": "scatter", "labels": ["a"], "series": [{"name": "s", "values": [1]}]}, "labels that are numbers"),
        ({"chart": "bar", "labels": ["a"] * 61, "series": [{"name": "s", "values": [1] * 61}]}, "at most 60"),
        ({"chart": "bar", "sql": "SELECT region FROM sales"}, "at least one column of numbers"),
        ({"chart": "bar", "sql": "SELECT revenue, region FROM sales WHERE region > ''"}, "no number"),
    ],
)
def test_a_chart_that_cannot_be_drawn_is_refused(call: CallTool, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        call(make_chart, title="t", **arguments)


def test_a_chart_of_an_unknown_kind_does_not_fit_the_signature(call: CallTool) -> None:
    with pytest.raises(InvalidArguments):
        call(make_chart, chart="radar", title="t", labels=["a"], series=[])


def test_a_query_or_rows_can_be_saved_as_a_table(call: CallTool) -> None:
    saved = call(save_table, name="by region", sql="SELECT region, sum(revenue) AS total FROM sales GROUP BY 1")
    assert (saved["table"], saved["rows"]) == ("by_region", 3)
    call(save_table, name="targets", columns=["region", "target"], rows=[["North", 1.5], ["South", None]])
    assert call(query_data, sql="SELECT * FROM targets")["rows"] == [["North", 1.5], ["South", None]]
    with pytest.raises(BadRequest, match="either"):
        call(save_table, name="x")


def test_sample_data_is_stored_as_a_table(call: CallTool) -> None:
    made = call(generate_sample_data, topic="sales", rows=30)
    assert (made["table"], made["total_rows"], len(made["rows"])) == ("sample_sales", 30, 10)
    assert call(query_data, sql="SELECT count(*), min(revenue) > 0 FROM sample_sales")["rows"] == [[30, 1]]
    named = call(generate_sample_data, topic="x", columns=["City", "city"], rows=2, table="towns")
    assert named["columns"] == ["City", "city_2"]
    with pytest.raises(InvalidArguments):
        call(generate_sample_data, topic="sales", rows=10_000_000)


def test_gaps_are_found_in_columns_cells_and_periods(call: CallTool, redis_client: redis.Redis) -> None:
    upload(redis_client, USER, "visits.csv", "day,visits\n2024-01-05,1\n2024-04-01,2\n")
    found = call(data_gaps, question="How did profit by customer change?")
    tables = {gaps["table"]: gaps for gaps in found["tables"]}
    assert not found["enough"]
    assert tables["sales"]["missing"] == ["a column of numbers for profit", "a column for customer"]
    assert tables["sales"]["mostly_empty_columns"] == ["note (80 % empty)"]
    assert tables["visits"]["missing_months"] == ["2024-02", "2024-03"]
    assert (tables["visits"]["first_period"], tables["visits"]["last_period"]) == ("2024-01-05", "2024-04-01")
    assert call(data_gaps, question="Which region lost most revenue?")["enough"]


def test_documents_are_kept_and_found(call: CallTool) -> None:
    call(add_document, name="policy.md", text="Refunds take fourteen days.")
    assert call(list_documents)["rows"] == [["policy.md", 27]]
    assert call(search_documents, query="refund")["rows"][0][:2] == ["policy.md", "**Refunds** take fourteen days."]
    assert call(remove_document, name="policy.md") == {"removed": "policy.md"}
    with pytest.raises(BadRequest, match="there are: none"):
        call(remove_document, name="policy.md")
