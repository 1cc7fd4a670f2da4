"""A sign-in that ends in the middle of a run: renewed behind the page's back, or lost until a person signs in again."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, WebSocket, expect

from tests.browser.page import ChatPage
from tests.support.issuer import claims, signed
from tests.support.system import System, running_system
from tests.support.waiting import scaled

SECRET = "a secret that issuer and server share"


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose users sign in by a token in a cookie."""
    directory = tmp_path_factory.mktemp("signing")
    settings = {
        "COUNTER_FILE": str(directory / "counter"),
        "AGENTS": "tests.support.agents",
        "JWT_SECRET": SECRET,
        "JWT_COOKIE": "session",
        "JWT_LEEWAY_SECONDS": "0",
        "JWT_OPERATOR_CLAIM": "ops",
        "SIGN_IN_URL": "/login?next={next}",
    }
    with running_system(directory, settings) as running:
        yield running


def sign_in(context: BrowserContext, system: System, sub: str = "anna", *, seconds: float = 600, **said: Any) -> None:
    """What a team's front door does: give the browser a token."""
    token = signed(claims(sub, aud=None, seconds=seconds, **said), SECRET)
    context.add_cookies([{"name": "session", "value": token, "url": system.url}])


class Sockets:
    """What a page receives by its sockets."""

    def __init__(self, chat: ChatPage) -> None:
        self.opened = 0
        self.seqs: list[int] = []
        chat.page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        self.opened += 1
        socket.on("framereceived", lambda frame: self._received(str(frame)))

    def _received(self, text: str) -> None:
        message = json.loads(text)
        for item in message if isinstance(message, list) else [message]:
            if "seq" in item:
                self.seqs.append(item["seq"])


def log_of(chat: ChatPage) -> list[int]:
    """The numbers of all events of the thread's first run."""
    thread_id = chat.page.url.rpartition("/")[2]
    [run, *_] = chat.page.request.get(f"{chat.url}/api/threads/{thread_id}").json()["runs"]
    answer = chat.page.request.get(f"{chat.url}/api/runs/{run['run_id']}/events?after=0").json()
    assert not answer["more"]
    return [event["seq"] for event in answer["events"]]


def expect_same_after_reload(chat: ChatPage, last_words: str) -> None:
    chat.show_steps()
    seen = chat.picture()
    chat.page.reload()
    chat.expect_text(last_words)
    chat.show_steps()
    assert chat.picture() == seen


def test_a_sign_in_that_is_renewed_in_time_leaves_no_trace(context: BrowserContext, signing: System) -> None:
    sign_in(context, signing, seconds=3)
    chat = ChatPage(context.new_page(), signing.url)
    sockets = Sockets(chat)
    chat.open().ask("20 0.4", agent="walker")

    end = time.monotonic() + scaled(40)
    while "20 steps" not in chat.conversation.inner_text():
        assert time.monotonic() < end, chat.conversation.inner_text()
        sign_in(context, signing, seconds=3)
        expect(chat.page.locator("#session")).to_be_hidden()
        chat.page.wait_for_timeout(1000)

    sign_in(context, signing)
    chat.expect_done()
    assert sockets.opened >= 3
    assert sorted(set(sockets.seqs)) == log_of(chat)
    expect_same_after_reload(chat, "20 steps")
    assert chat.errors == []


def test_a_lost_sign_in_says_so_and_the_page_goes_on_by_itself_after_it(
    context: BrowserContext, signing: System
) -> None:
    sign_in(context, signing, seconds=4)
    chat = ChatPage(context.new_page(), signing.url)
    sockets = Sockets(chat)
    chat.open().ask("25 0.4", agent="walker")
    chat.expect_text("step 1")
    bar = chat.page.get_by_role("alert").filter(has_text="Your sign-in has ended.")
    expect(bar).to_be_visible(timeout=scaled(15_000))

    link = bar.get_by_role("link", name="Sign in again")
    expect(link).to_have_attribute("href", re.compile(r"^/login\?next=%2Ft%2Fthr_\w+$"))
    chat.ask("3 0.1")
    chat.expect_text("Not sent. You are not signed in.")
    chat.page.get_by_role("textbox", name="Message").fill("half a thought")
    expect(chat.page.locator(".toast")).to_have_count(0)
    other = ChatPage(context.new_page(), signing.url).open()
    other_bar = other.page.get_by_role("alert").filter(has_text="You are not signed in.")
    expect(other_bar).to_be_visible()
    seen_before = sockets.seqs[-1]
    chat.page.wait_for_timeout(1500)
    assert sockets.seqs[-1] == seen_before

    sign_in(context, signing)
    chat.page.evaluate("dispatchEvent(new Event('focus'))")

    expect(bar).to_be_hidden(timeout=scaled(10_000))
    # Told by the other tab; by itself it would look after 15 s.
    expect(other_bar).to_be_hidden(timeout=scaled(5_000))
    chat.expect_text("25 steps", seconds=40)
    chat.expect_text("3 steps", seconds=40)
    chat.expect_done()
    expect(chat.page.get_by_role("textbox", name="Message")).to_have_value("half a thought")
    assert set(log_of(chat)) <= set(sockets.seqs)
    expect_same_after_reload(chat, "3 steps")
    expect(chat.page.get_by_role("textbox", name="Message")).to_have_value("half a thought")
    assert chat.errors == []


def test_a_page_that_nobody_is_signed_in_on_says_where_to_sign_in(context: BrowserContext, signing: System) -> None:
    chat = ChatPage(context.new_page(), signing.url).open()

    bar = chat.page.get_by_role("alert").filter(has_text="You are not signed in.")
    expect(bar.get_by_role("link", name="Sign in")).to_have_attribute("href", "/login?next=%2F")
    expect(chat.page.locator("#notice")).to_be_hidden()
    expect(chat.page.locator(".toast")).to_have_count(0)


def test_the_sidebar_says_who_one_is_and_leads_operators_inside(context: BrowserContext, signing: System) -> None:
    sign_in(context, signing, "usr-7", name="Anna Ärmel")
    chat = ChatPage(context.new_page(), signing.url).open()
    person = chat.page.locator("#person")

    expect(person).to_contain_text("Anna Ärmel")
    expect(person.get_by_role("link", name="Operators")).to_be_hidden()

    sign_in(context, signing, "usr-7", name="Anna Ärmel", ops=True)
    chat.page.reload()
    expect(person.get_by_role("link", name="Operators")).to_have_attribute("href", "/ops")


def test_the_next_person_in_the_same_tab_finds_nothing_of_the_one_before(
    context: BrowserContext, signing: System
) -> None:
    sign_in(context, signing, "anna")
    chat = ChatPage(context.new_page(), signing.url).open()
    message = chat.page.get_by_role("textbox", name="Message")
    message.fill("a secret")
    chat.page.reload()
    expect(message).to_have_value("a secret")

    context.clear_cookies()
    chat.page.reload()
    expect(chat.page.get_by_role("alert").filter(has_text="You are not signed in.")).to_be_visible()
    sign_in(context, signing, "bert")
    chat.page.evaluate("dispatchEvent(new Event('focus'))")

    expect(chat.page.locator("#person-name")).to_have_text("bert", timeout=scaled(10_000))
    expect(message).to_have_value("")
