"""The offline model answers with the number that was asked for, or with none: on the sample file, against SQL."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.crew import USER, Ask, Story, offline_crew
from tests.support.uploads import upload
from worker.agent.registry import load_registry

SAMPLE = Path(__file__).parents[2] / "web" / "static" / "samples" / "sales.csv"


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    """The sample file in a database of our own."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE sales (region, product, month, revenue REAL, cost REAL, units INTEGER)")
    with SAMPLE.open(newline="") as file:
        connection.executemany("INSERT INTO sales VALUES (?, ?, ?, ?, ?, ?)", list(csv.reader(file))[1:])
    yield connection
    connection.close()


@pytest.fixture
def ask(tmp_path: Path, redis_url: str) -> Iterator[Ask]:
    with offline_crew(load_registry(["worker.crew.agents"]), tmp_path, redis_url) as ask:
        yield ask


@pytest.fixture(autouse=True)
def sales(redis_client: redis.Redis) -> None:
    upload(redis_client, USER, "sales.csv", SAMPLE.read_text())


def shown(value: object) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value:,}"


def names_a_number(story: Story) -> bool:
    return any(name in ("compare_groups", "make_chart") for _, name in story.tools) or "**Revenue" in story.answer


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("revenue in March 2025", "SELECT sum(revenue) FROM sales WHERE month = '2025-03'"),
        ("revenue in 2025-03", "SELECT sum(revenue) FROM sales WHERE month = '2025-03'"),
        (
            "total revenue from March to May",
            "SELECT sum(revenue) FROM sales WHERE month BETWEEN '2025-03' AND '2025-05'",
        ),
        (
            "total revenue of North in Q1",
            "SELECT sum(revenue) FROM sales WHERE region = 'North' AND month <= '2025-03'",
        ),
        ("How many units did we sell in 2025?", "SELECT sum(units) FROM sales"),
        ("how many rows are there?", "SELECT count(*) FROM sales"),
        ("how many different products are there?", "SELECT count(DISTINCT product) FROM sales"),
        ("what is the highest revenue?", "SELECT max(revenue) FROM sales"),
        ("average cost of Mesh Duo", "SELECT avg(cost) FROM sales WHERE product = 'Mesh Duo'"),
        ("total cost in the sales table", "SELECT sum(cost) FROM sales"),
    ],
)
async def test_one_number_is_the_one_that_was_asked_for(
    ask: Ask, database: sqlite3.Connection, question: str, sql: str
) -> None:
    [[value]] = database.execute(sql).fetchall()
    story = await ask(question)
    assert story.failed == []
    assert f": {shown(value)}.**" in story.answer


@pytest.mark.parametrize(
    ("question", "earlier", "sql"),
    [
        (
            "which month had the highest revenue?",
            [],
            "SELECT month, sum(revenue) FROM sales GROUP BY 1 ORDER BY 2 DESC",
        ),
        ("when was revenue lowest?", [], "SELECT month, sum(revenue) FROM sales GROUP BY 1 ORDER BY 2"),
        ("top 2 months by cost", [], "SELECT month, sum(cost) FROM sales GROUP BY 1 ORDER BY 2 DESC LIMIT 2"),
        ("show revenue by month as a chart", [], "SELECT month, sum(revenue) FROM sales GROUP BY 1 ORDER BY 1"),
        (
            "revenue by quarter",
            [],
            "SELECT '2025-Q' || ((substr(month, 6) + 2) / 3), sum(revenue) FROM sales GROUP BY 1 ORDER BY 1",
        ),
        (
            "compare revenue in March and May",
            [],
            "SELECT month, sum(revenue) FROM sales WHERE month IN ('2025-03', '2025-05') GROUP BY 1 ORDER BY 1",
        ),
        ("monthly revenue trend", [], "SELECT month, sum(revenue) FROM sales GROUP BY 1 ORDER BY 1"),
        (
            "how did sales in May compare to March?",
            [],
            "SELECT month, sum(revenue) FROM sales WHERE month IN ('2025-03', '2025-05') GROUP BY 1 ORDER BY 1",
        ),
        ("top 3 products", [], "SELECT product, sum(revenue) FROM sales GROUP BY 1 ORDER BY 2 DESC LIMIT 3"),
        ("two worst products", [], "SELECT product, sum(revenue) FROM sales GROUP BY 1 ORDER BY 2 LIMIT 2"),
        (
            "revenue by product in Q2",
            [],
            "SELECT product, sum(revenue) FROM sales WHERE month IN ('2025-04', '2025-05', '2025-06') "
            "GROUP BY 1 ORDER BY 2 DESC",
        ),
        (
            "compare North and South",
            [],
            "SELECT region, sum(revenue) FROM sales WHERE region IN ('North', 'South') GROUP BY 1 ORDER BY 2 DESC",
        ),
        (
            "and by units?",
            ["top 3 products by revenue"],
            "SELECT product, sum(units) FROM sales GROUP BY 1 ORDER BY 2 DESC LIMIT 3",
        ),
        (
            "what about cost?",
            ["hello", "top 3 products by revenue", "and by units?"],
            "SELECT product, sum(cost) FROM sales GROUP BY 1 ORDER BY 2 DESC LIMIT 3",
        ),
        (
            "only March",
            ["revenue by region"],
            "SELECT region, sum(revenue) FROM sales WHERE month = '2025-03' GROUP BY 1 ORDER BY 2 DESC",
        ),
    ],
)
async def test_groups_and_their_chart_are_those_that_were_asked_for(
    ask: Ask, database: sqlite3.Connection, question: str, earlier: list[str], sql: str
) -> None:
    expected = database.execute(sql).fetchall()
    story = await ask(question, *earlier)
    assert story.failed == []
    chart = story.result_of("make_chart")
    assert isinstance(chart, dict)
    # A month is called as the question calls it.
    labels = [{"March of 2025": "2025-03", "May of 2025": "2025-05"}.get(label, label) for label in chart["labels"]]
    assert labels == [label for label, _ in expected]
    assert chart["series"][0]["values"] == pytest.approx([value for _, value in expected])
    body = [line for line in story.answer.splitlines() if line.startswith("| ")][2:]
    assert len(body) == len(expected)
    assert all(shown(value) in line for line, (_, value) in zip(body, expected, strict=True))


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("correlation between price and units", "correlation"),
        ("revenue of products that are not Mesh Duo", "not"),
        ("total revenue except North", "except"),
        ("total revenue without the South", "without"),
        ("median revenue", "median"),
        ("forecast revenue for next year", "forecast"),
        ("revenue last month", "last"),
        ("revenue on 2025-03-15", "15"),
        ("revenue of rows with more than 100 units", "more"),
        ("revenue and cost by region", "cost"),
        ("revenue by region and product", "product"),
        ("revenue by region by month", "one thing at a time"),
        ("average revenue per month", "average of rows or of periods"),
        ("which month dropped most?", "which single period"),
        ("revenue in Atlantis", "atlantis"),
        ("tell me a joke", "joke"),
        ("which products are there?", "there"),
    ],
)
async def test_what_has_no_rule_gets_no_number(ask: Ask, question: str, reason: str) -> None:
    story = await ask(question)
    assert "The offline model cannot do that; set a model key" in story.answer
    assert reason in story.answer
    assert not names_a_number(story)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("revenue in March 2031", "`sales` has nothing for 2031-03; `month` goes from 2025-01 to 2025-12"),
        ("units by customer", "a column for customer"),
        ("revenue by day", "a column that tells each day"),
    ],
)
async def test_what_the_table_lacks_is_said_in_the_place_of_a_number(ask: Ask, question: str, reason: str) -> None:
    story = await ask(question)
    assert story.agents == ["triage", "data", "data_helper"]
    assert reason in story.answer
    assert not names_a_number(story)


async def test_a_table_that_is_named_is_not_replaced_by_another_because_it_is_empty(
    ask: Ask, redis_client: redis.Redis
) -> None:
    upload(redis_client, USER, "empty.csv", "region,revenue\n")
    story = await ask("total revenue in the empty table")
    assert "`empty` has no rows" in story.answer
    assert not names_a_number(story)


async def test_a_value_that_is_rare_is_looked_up(ask: Ask, redis_client: redis.Redis) -> None:
    rows = "".join(f"city {place:02},10\n" * 3 for place in range(20))
    upload(redis_client, USER, "cities.csv", f"city,visits\n{rows}Atlantis,7\n")
    story = await ask("visits in Atlantis")
    assert "**Visits (Atlantis): 7.**" in story.answer


async def test_an_answer_says_what_it_does_not_go_into(ask: Ask) -> None:
    story = await ask("Why did revenue in North change?")
    assert "went from" in story.answer
    assert "Not taken into account, for want of a rule: why." in story.answer


async def test_advice_is_not_worked_out_for_a_part_of_the_table_from_all_of_it(ask: Ask) -> None:
    story = await ask("Which product has the lowest revenue in March, and what should we do?")
    assert story.agents == ["triage", "data", "optimization", "actions", "reporting"]
    assert "I cannot compute any option" in story.answer
