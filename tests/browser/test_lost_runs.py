"""What a person sees when the server's store has lost a run: its end, and what was written so far."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.page import ChatPage
from tests.support.redis import connect
from tests.support.system import System, running_system
from tests.support.waiting import scaled

LOST_CHAT = "The server has lost this chat."


@pytest.fixture
def losing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of its own, whose store may lose everything."""
    with running_system(tmp_path_factory.mktemp("losing"), {"AGENTS": "tests.support.agents"}) as running:
        yield running


def lose_everything(system: System) -> None:
    with connect(system.redis_url) as client:
        client.flushall()


def test_a_run_that_the_server_has_lost_ends_visibly_and_keeps_its_text(
    context: BrowserContext, losing: System
) -> None:
    chat = ChatPage(context.new_page(), losing.url).open()
    chat.ask("go", agent="waiter")
    chat.expect_text("I wait.")

    losing.worker.kill()
    lose_everything(losing)

    expect(chat.last_turn).to_contain_text("The server has lost this run. Ask again.", timeout=scaled(60_000))
    expect(chat.last_turn).to_contain_text("I wait.")
    expect(chat.last_turn.locator(".spinner")).to_have_count(0)
    expect(chat.page.locator("#notice")).to_contain_text(LOST_CHAT, timeout=scaled(60_000))


def test_a_run_that_its_worker_brings_back_is_shown_to_its_end(context: BrowserContext, losing: System) -> None:
    chat = ChatPage(context.new_page(), losing.url).open()
    chat.ask("600")
    chat.expect_text("5 6 7")

    lose_everything(losing)

    expect(chat.page.locator("#notice")).to_contain_text(LOST_CHAT, timeout=scaled(60_000))
    chat.expect_text("599 600 done", seconds=60)
