"""What a statement may do on a user's tables, and what it may not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.uploads import upload
from worker.workspace.errors import QueryRefused, QueryTooSlow
from worker.workspace.limits import WorkspaceLimits
from worker.workspaces import UserWorkspace, Workspaces

USER = "usr_1"
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"


@pytest.fixture
def workspace(tmp_path: Path, redis_url: str, redis_client: redis.Redis) -> Iterator[UserWorkspace]:
    opened = Workspaces(tmp_path, redis_url=redis_url, limits=WorkspaceLimits(max_result_bytes=100_000))
    upload(redis_client, USER, "sales.csv", "region,revenue\nNorth,1\nSouth,2\nWest,3\n")
    upload(redis_client, USER, "notes.txt", "a secret note", kind="document")
    yield opened.workspace(USER)
    opened.close()


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM sales",
        "INSERT INTO sales VALUES ('x', 1)",
        "UPDATE sales SET revenue = 0",
        "DROP TABLE sales",
        "CREATE TABLE t (a)",
        "CREATE TEMP TABLE t (a)",
        "ATTACH DATABASE '/tmp/x.sqlite' AS x",
        "DETACH DATABASE main",
        "PRAGMA query_only = 0",
        "PRAGMA table_info(sales)",
        "SELECT * FROM pragma_table_info('sales')",
        "SELECT load_extension('/tmp/x.so')",
        "VACUUM INTO '/tmp/x.sqlite'",
        "REINDEX",
        "ANALYZE",
        "BEGIN",
        "SELECT * FROM _files",
        "SELECT * FROM _passages",
        "SELECT * FROM _passages_content",
        "SELECT zeroblob(1000000000)",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE sales",
        "",
        "   -- nothing",
        "SELEC 1",
        "SELECT 1\0",
        "\ud800",
    ],
)
def test_a_statement_that_does_not_just_read_is_refused_and_changes_nothing(workspace: UserWorkspace, sql: str) -> None:
    with pytest.raises(QueryRefused):
        workspace.query(sql, max_rows=10, seconds=5)
    assert workspace.query("SELECT count(*) FROM sales", max_rows=1, seconds=5).rows == [[3]]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT region, revenue FROM sales ORDER BY 2",
        "WITH t AS (SELECT * FROM sales) SELECT count(*) FROM t",
        "VALUES (1), (2)",
        "SELECT name FROM sqlite_schema WHERE name = 'sales'",
        "SELECT region, rank() OVER (ORDER BY revenue DESC) FROM sales",
        "SELECT date('2024-01-31', '+1 month'), round(1.5), upper('x'), group_concat(region) FROM sales",
    ],
)
def test_reading_works(workspace: UserWorkspace, sql: str) -> None:
    assert workspace.query(sql, max_rows=10, seconds=5).rows


def test_an_unknown_table_or_column_is_answered_with_those_that_exist(workspace: UserWorkspace) -> None:
    with pytest.raises(QueryRefused, match=r"no such table: orders\. There are: sales \(region, revenue\)\."):
        workspace.query("SELECT * FROM orders", max_rows=10, seconds=5)
    with pytest.raises(QueryRefused, match=r"no such column: income\. There are: sales \(region, revenue\)\."):
        workspace.query("SELECT income FROM sales", max_rows=10, seconds=5)


def test_an_endless_statement_is_stopped_in_time(workspace: UserWorkspace) -> None:
    started = time.monotonic()
    with pytest.raises(QueryTooSlow, match=r"longer than 0\.3 s"):
        workspace.query(f"{ENDLESS} SELECT count(*) FROM c", max_rows=10, seconds=0.3)
    assert time.monotonic() - started < 3


def test_rows_beyond_the_limit_are_cut_and_said_so(workspace: UserWorkspace) -> None:
    result = workspace.query(f"{ENDLESS} SELECT x FROM c", max_rows=5, seconds=5)
    assert result.rows == [[1], [2], [3], [4], [5]]
    assert result.more
    assert not workspace.query("SELECT * FROM sales", max_rows=3, seconds=5).more


def test_a_huge_result_is_refused(workspace: UserWorkspace) -> None:
    with pytest.raises(QueryRefused, match="more than 100,000 bytes"):
        workspace.query(f"{ENDLESS} SELECT printf('%.*c', 5000, 'x') FROM c", max_rows=1000, seconds=5)


def test_a_huge_value_or_an_endless_sort_is_refused_without_filling_memory(workspace: UserWorkspace) -> None:
    with pytest.raises(QueryRefused, match=r"too big|too much memory"):
        workspace.query("SELECT replace(printf('%.*c', 90000, 'x'), 'x', 'xxxxxxxxxx')", max_rows=1, seconds=5)
    with pytest.raises(QueryRefused, match="too much memory"):
        workspace.query(
            f"{ENDLESS} SELECT printf('%.*c', 90000, 'x') || x AS y FROM c ORDER BY y", max_rows=1, seconds=20
        )
    assert workspace.query("SELECT 1", max_rows=1, seconds=5).rows == [[1]]


def test_a_statement_of_endless_length_is_refused(workspace: UserWorkspace) -> None:
    with pytest.raises(QueryRefused, match="the limit is"):
        workspace.query(f"SELECT {'1+' * 20_000}1", max_rows=1, seconds=5)


def test_values_that_json_cannot_carry_are_made_plain(workspace: UserWorkspace) -> None:
    result = workspace.query("SELECT 9e999, x'00ff', 9007199254740993", max_rows=1, seconds=5)
    assert result.rows == [[None, "(2 bytes)", "9007199254740993"]]
