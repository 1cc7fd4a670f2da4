"""What a person sees when a worker is lost in the middle of a run, and what counts as having seen its end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.page import ChatPage
from tests.support.system import System, running_system
from tests.support.waiting import wait_until


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    return tmp_path / "counter"


@pytest.fixture
def own_system(tmp_path: Path, counter: Path) -> Iterator[System]:
    """A system whose worker may be killed, with the lease that it has in production."""
    settings = {"AGENTS": "tests.support.agents", "COUNTER_FILE": str(counter)}
    with running_system(tmp_path, settings) as running:
        yield running


def run_id_of(chat: ChatPage) -> str:
    thread_id = chat.page.url.rpartition("/")[2]
    answer = chat.page.request.get(f"{chat.url}/api/threads/{thread_id}")
    return str(answer.json()["runs"][0]["run_id"])


def test_a_run_whose_only_worker_was_killed_is_picked_up_within_15_seconds_and_repeats_nothing(
    context: BrowserContext, own_system: System, counter: Path
) -> None:
    chat = ChatPage(context.new_page(), own_system.url).open()
    chat.ask("10 0.4", agent="walker")
    chat.expect_text("step 2")

    own_system.worker.kill()
    own_system.start_worker()

    chat.expect_text("Picked up again (attempt 2)", seconds=15)
    chat.expect_text("10 steps", seconds=30)
    chat.expect_done()
    assert set(Counter(counter.read_text().splitlines()).values()) == {1}
    chat.show_steps()
    seen = chat.picture()
    chat.page.reload()
    chat.expect_text("10 steps")
    chat.show_steps()
    wait_until(lambda: chat.picture() == seen, what="a reload shows the same story")


def test_an_outcome_counts_as_seen_by_someone_who_comes_after_it(context: BrowserContext, own_system: System) -> None:
    first = ChatPage(context.new_page(), own_system.url).open()
    first.ask("1 2", agent="walker")
    first.expect_text("step 0")
    run_id, address = run_id_of(first), first.page.url
    first.page.close()

    def delivery() -> dict[str, object]:
        return dict(context.request.get(f"{own_system.url}/api/runs/{run_id}/delivery").json())

    wait_until(lambda: delivery()["state"] == "completed", what="the run has ended unseen")
    assert delivery()["outcome_seen"] is False

    late = ChatPage(context.new_page(), own_system.url).open(re.sub(r"^https?://[^/]+", "", address))
    late.expect_text("1 steps")

    wait_until(lambda: delivery()["outcome_seen"] is True, what="the late viewer counts")
