"""Reading a run's story by HTTP, a page at a time, on a real Redis."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.asking import ask, error_of
from tests.support.web import StoryWriter, services_of
from web.stores.history import PAGE_EVENTS
from worker.contract import keys
from worker.contract.events import (
    AgentThinking,
    AgentThinkingData,
    Failure,
    ToolCompleted,
    ToolCompletedData,
)
from worker.contract.scripts import ToolResult


@pytest.fixture
def run_id(browser: FlaskClient) -> str:
    return str(ask(browser)["run_id"])


@pytest.fixture
def worker(app: Flask, run_id: str) -> StoryWriter:
    """A worker that has begun the run."""
    made = StoryWriter(services_of(app).redis, run_id)
    made.claim()
    made.start()
    return made


def think(worker: StoryWriter, text: str = "hm") -> None:
    worker.append(AgentThinking(**worker.envelope(), data=AgentThinkingData(text=text, delta=False, step=1)))


def end_tool(worker: StoryWriter, call_id: str, *, whole: bytes | None = None, **data: Any) -> None:
    completed = ToolCompletedData(call_id=call_id, tool_name="query", duration_ms=1, **data)
    result = ToolResult(call_id, whole) if whole is not None else None
    worker.append(ToolCompleted(**worker.envelope(), data=completed), result=result)


def page(browser: FlaskClient, run_id: str, after: str = "0") -> dict[str, Any]:
    response = browser.get(f"/api/runs/{run_id}/events?after={after}")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.get_json()
    return answer


def numbers(answer: dict[str, Any]) -> list[int]:
    return [event["seq"] for event in answer["events"]]


def test_a_run_that_nobody_has_begun_has_no_events(browser: FlaskClient, run_id: str) -> None:
    assert page(browser, run_id) == {"events": [], "last_seq": 0, "more": False, "reset": False}


def test_events_come_exactly_as_the_log_holds_them(
    browser: FlaskClient, app: Flask, run_id: str, worker: StoryWriter
) -> None:
    think(worker, 'ö "quoted" \u2028')
    worker.complete()

    answer = page(browser, run_id)

    stored: Any = services_of(app).redis.xrange(keys.log(run_id))
    assert answer["events"] == [json.loads(fields[b"e"]) for _, fields in stored]
    assert (answer["last_seq"], answer["more"], answer["reset"]) == (3, False, False)


def test_a_reader_goes_on_from_a_number_or_a_cursor(browser: FlaskClient, run_id: str, worker: StoryWriter) -> None:
    think(worker)
    worker.complete()
    cursor = page(browser, run_id)["events"][1]["cursor"]

    assert numbers(page(browser, run_id, "2")) == [3]
    assert numbers(page(browser, run_id, cursor)) == [3]
    assert page(browser, run_id, "3") == {"events": [], "last_seq": 3, "more": False, "reset": False}


@pytest.mark.parametrize("after", ["2-00000000", "9", "9-00000000"], ids=["forked", "ahead", "ahead with a tag"])
def test_a_cursor_that_does_not_prove_itself_gets_the_whole_story(
    browser: FlaskClient, run_id: str, worker: StoryWriter, after: str
) -> None:
    think(worker)
    worker.complete()

    answer = page(browser, run_id, after)

    assert answer["reset"]
    assert numbers(answer) == [1, 2, 3]


def test_a_cursor_whose_event_is_no_longer_kept_gets_what_there_is(
    browser: FlaskClient, app: Flask, run_id: str, worker: StoryWriter
) -> None:
    think(worker)
    worker.complete()
    services_of(app).redis.xtrim(keys.log(run_id), maxlen=1, approximate=False)

    answer = page(browser, run_id, "1")

    assert answer["reset"]
    assert numbers(answer) == [3]


def test_a_long_story_comes_in_pages_without_a_hole(browser: FlaskClient, run_id: str, worker: StoryWriter) -> None:
    for _ in range(2 * PAGE_EVENTS + 17):
        think(worker)
    worker.complete()
    seen: list[int] = []
    after = "0"

    while True:
        answer = page(browser, run_id, after)
        seen += numbers(answer)
        assert len(answer["events"]) <= PAGE_EVENTS
        if not answer["more"]:
            break
        after = answer["events"][-1]["cursor"]

    assert seen == list(range(1, 2 * PAGE_EVENTS + 20))


def test_a_page_of_large_events_stays_small(browser: FlaskClient, run_id: str, worker: StoryWriter) -> None:
    for _ in range(40):
        think(worker, "x" * 60_000)

    response = browser.get(f"/api/runs/{run_id}/events")

    assert len(response.data) < 1_300_000
    assert response.get_json()["more"]


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "1-zz", "9" * 40])
def test_what_is_no_cursor_is_refused(browser: FlaskClient, run_id: str, after: str) -> None:
    error = error_of(browser.get(f"/api/runs/{run_id}/events?after={after}"), 400)

    assert error["code"] == "malformed_cursor"
    assert error["detail"] == {"field": "after"}


def test_a_large_tool_result_is_given_whole(browser: FlaskClient, run_id: str, worker: StoryWriter) -> None:
    whole = json.dumps({"kind": "table", "rows": [["ä" * 100]] * 5000}).encode()
    end_tool(worker, "a1.t1", status="ok", result="cut", truncated=True, result_bytes=len(whole), whole=whole)

    response = browser.get(f"/api/runs/{run_id}/tool_calls/a1.t1/result")

    assert response.data == whole
    assert response.mimetype == "application/json"


def test_a_small_tool_result_is_given_from_its_event(browser: FlaskClient, run_id: str, worker: StoryWriter) -> None:
    end_tool(worker, "a1.t1", status="ok", result={"rows": 3})
    end_tool(worker, "a1.t2", status="ok", result=None)

    assert browser.get(f"/api/runs/{run_id}/tool_calls/a1.t1/result").get_json() == {"rows": 3}
    assert browser.get(f"/api/runs/{run_id}/tool_calls/a1.t2/result").data == b"null"


def test_a_call_without_a_result_has_none(browser: FlaskClient, run_id: str, worker: StoryWriter) -> None:
    end_tool(worker, "a1.t1", status="error", error=Failure(code="tool_error", message="no"))

    for call_id in ("a1.t1", "a1.t9"):
        error_of(browser.get(f"/api/runs/{run_id}/tool_calls/{call_id}/result"), 404)
