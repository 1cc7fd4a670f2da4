"""The built-in crew with the offline model, end to end: real tools, a real workspace, a log in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path

import pytest
import redis

from tests.support.crew import USER, Ask, offline_crew
from tests.support.uploads import upload
from worker.agent.registry import AgentRegistry, load_registry
from worker.agent.tool import Tool
from worker.contract.events import (
    AgentStarted,
    AgentThinking,
    ApprovalRequested,
    PartialResult,
)
from worker.crew.fetching.addresses import AddressGuard
from worker.crew.fetching.fetcher import PageFetcher
from worker.crew.tools.pages import page_tool
from worker.models.playbook.prose import SIGNATURE

MONTHS = ("2025-01", "2025-02", "2025-03", "2025-04", "2025-05", "2025-06")
#: South loses: 300 in the first quarter, 120 in the second, all of it with lamps.
SALES = "order_date,region,product,revenue\n" + "".join(
    f"{month}-15,{region},{product},{revenue}\n"
    for place, month in enumerate(MONTHS)
    for region, product, revenue in (
        ("North", "Lamp", 50 + place),
        ("South", "Lamp", 80 if place < 3 else 20),
        ("South", "Desk", 20),
    )
)


@pytest.fixture
def registry() -> AgentRegistry:
    return load_registry(["worker.crew.agents"])


@pytest.fixture
def ask(registry: AgentRegistry, tmp_path: Path, redis_url: str) -> Iterator[Ask]:
    with offline_crew(registry, tmp_path, redis_url) as ask:
        yield ask


async def test_a_question_for_advice_goes_through_the_whole_crew(ask: Ask, redis_client: redis.Redis) -> None:
    upload(redis_client, USER, "sales.csv", SALES)
    story = await ask("Which region lost most revenue, and what should we do?")
    assert story.agents == ["triage", "data", "optimization", "actions", "reporting"]
    assert story.failed == []
    assert [name for agent, name in story.tools if agent == "data"] == [
        "list_tables",
        "describe_table",
        "query_data",
        "compare_groups",
        "make_chart",
    ]
    assert ("optimization", "calculate") in story.tools
    assert ("actions", "search_documents") in story.tools
    assert "South lost most revenue from 2025-Q1 to 2025-Q2: 300 → 120 (-180, -60 %)" in story.answer
    assert "Lamp in South" in story.answer
    assert "+90 revenue" in story.answer
    for heading in ("## Findings", "## What could be done", "## Next steps"):
        assert heading in story.answer
    assert story.answer.count(SIGNATURE) == 1
    assert "Source:" not in story.answer


async def test_every_nested_call_belongs_to_triage_and_shows_thoughts_and_text(
    ask: Ask, redis_client: redis.Redis
) -> None:
    upload(redis_client, USER, "sales.csv", SALES)
    story = await ask("Which region lost most revenue, and what should we do?")
    started = [event for event in story.events if isinstance(event, AgentStarted)]
    assert [event.parent_call_id for event in started] == [None, "a1", "a1", "a1", "a1"]
    for agent in story.agents:
        assert any(isinstance(event, AgentThinking) and event.agent_name == agent for event in story.events)
        assert any(isinstance(event, PartialResult) and event.agent_name == agent for event in story.events)


async def test_a_question_that_asks_for_no_advice_ends_with_the_findings(ask: Ask, redis_client: redis.Redis) -> None:
    upload(redis_client, USER, "sales.csv", SALES)
    story = await ask("Which product has the highest revenue?")
    assert story.agents == ["triage", "data"]
    assert "**Lamp has the highest revenue: 615.**" in story.answer
    chart = story.result_of("make_chart")
    assert isinstance(chart, dict)
    assert chart["labels"] == ["Lamp", "Desk"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the total revenue?", "**Revenue: 735.**"),
        ("What is the average revenue by region?", "**North has the highest average revenue: 52.5.**"),
        ("How many rows are there by region?", "**South has the highest number of rows: 12.**"),
        ("Which region has the lowest revenue?", "**North has the lowest revenue: 315.**"),
        (
            "Which region gained most revenue?",
            "**North gained most revenue from 2025-Q1 to 2025-Q2: 153 → 162 (+9, +5.9 %).**",
        ),
        ("How did revenue in North develop over time?", "(North) went from 50 in 2025-01 to 55 in 2025-06 (+5)."),
    ],
)
async def test_questions_are_answered_with_the_numbers_of_the_table(
    ask: Ask, redis_client: redis.Redis, question: str, expected: str
) -> None:
    upload(redis_client, USER, "sales.csv", SALES)
    story = await ask(question)
    assert story.failed == []
    assert expected in story.answer


async def test_a_follow_up_takes_the_subject_from_the_message_before(ask: Ask, redis_client: redis.Redis) -> None:
    upload(redis_client, USER, "sales.csv", SALES)
    story = await ask("And what should we do?", "Which region lost most revenue?")
    assert story.agents == ["triage", "data", "optimization", "actions", "reporting"]
    assert "South lost most revenue" in story.answer


async def test_without_any_table_the_helper_says_what_is_missing(ask: Ask) -> None:
    story = await ask("Which region lost most revenue, and what should we do?")
    assert story.agents == ["triage", "data_helper"]
    assert "none has been uploaded yet" in story.answer
    assert "generate sample data about sales" in story.answer


async def test_insufficient_data_goes_to_the_helper(ask: Ask, redis_client: redis.Redis) -> None:
    upload(redis_client, USER, "people.csv", "name,region\nAnn,North\nBob,South\n")
    story = await ask("Which region lost most revenue?")
    assert story.agents == ["triage", "data", "data_helper"]
    assert "a column of numbers for revenue" in story.answer
    assert "at least two periods" in story.answer


async def test_sample_data_is_made_and_can_be_asked_about(ask: Ask) -> None:
    made = await ask("Generate sample data about sales with 200 rows")
    assert made.agents == ["triage", "synthetic_data"]
    assert "200 rows. **The data is invented.**" in made.answer
    story = await ask("Which region lost most revenue, and what should we do?")
    assert story.agents == ["triage", "data", "optimization", "actions", "reporting"]
    assert story.failed == []


async def test_documents_are_searched(ask: Ask, redis_client: redis.Redis) -> None:
    upload(redis_client, USER, "policy.md", "Refunds are paid within fourteen days.", kind="document")
    story = await ask("Search my documents for refunds")
    assert story.agents == ["triage", "corpus_admin"]
    assert "**Refunds** are paid within fourteen days." in story.answer
    assert "policy.md" in story.answer


async def test_a_question_without_tables_goes_to_the_documents_if_there_are_any(
    ask: Ask, redis_client: redis.Redis
) -> None:
    upload(redis_client, USER, "policy.md", "Refunds are paid within fourteen days.", kind="document")
    story = await ask("When are refunds paid?")
    assert story.agents == ["triage", "corpus_admin"]
    assert "fourteen days" in story.answer


async def test_documents_are_added_listed_and_removed(ask: Ask) -> None:
    assert "`idea.md`" in (await ask("Save a note idea.md: Sell lamps in the south.")).answer
    assert "idea.md" in (await ask("List my documents")).answer
    removal = await ask("Remove the document idea.md")
    assert any(isinstance(event, ApprovalRequested) for event in removal.events)
    assert "removed the document `idea.md`" in removal.answer
    assert "no documents yet" in (await ask("List my documents")).answer


@pytest.mark.parametrize(
    ("message", "result"),
    [("calculate 3*4", "**12**"), ("What is (1,200 - 950) / 1200 * 100?", "**20.83**"), ("15% of 80", "**12**")],
)
async def test_arithmetic_is_computed_by_the_calculator(ask: Ask, message: str, result: str) -> None:
    story = await ask(message)
    assert story.tools == [("triage", "calculate")]
    assert result in story.answer


async def test_arithmetic_that_has_no_result_is_said_to_have_none(ask: Ask) -> None:
    story = await ask("calculate 1/0")
    assert [name for name, _ in story.failed] == ["calculate"]
    assert "division by zero" in story.answer


@pytest.mark.parametrize("message", ["Hello!", "help", "What can you do?"])
async def test_a_greeting_is_answered_with_what_can_be_asked(ask: Ask, message: str) -> None:
    story = await ask(message)
    assert story.tools == []
    assert "upload a CSV file" in story.answer
    assert SIGNATURE in story.answer


async def test_a_page_is_fetched_and_a_private_one_is_refused(
    ask: Ask, registry: AgentRegistry, page_server: str
) -> None:
    refused = await ask(f"Please read {page_server}/page")
    assert [name for name, _ in refused.failed] == ["fetch_page"]
    assert "not an address of the public internet" in refused.answer

    allow_loopback(registry)
    story = await ask(f"Please read {page_server}/page.")
    assert story.agents == ["triage", "corpus_admin"]
    assert "A page about lamps" in story.answer


def allow_loopback(registry: AgentRegistry) -> None:
    """Put a fetcher in the place of the built-in one that may reach this machine."""
    fetcher = PageFetcher(AddressGuard(allowed=[ip_network("127.0.0.0/8")]))
    agent = registry["corpus_admin"]
    tools: tuple[Tool, ...] = tuple(page_tool(fetcher) if tool.name == "fetch_page" else tool for tool in agent.tools)
    object.__setattr__(agent, "tools", tools)


@pytest.fixture
def page_server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<html><head><title>A page about lamps</title></head><body><p>Lamps give light.</p></body></html>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
