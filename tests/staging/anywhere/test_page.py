"""The page in a real Chromium, at the address as people have it. Screenshots go into the report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.conftest import address, browser
from tests.browser.page import ChatPage
from tests.staging.anywhere.test_events import QUESTION, SALES, SUM
from tests.staging.report.model import Picture, Report
from tests.staging.target import Target
from tests.support.waiting import scaled

#: The browser suite's own.
__all__ = ["address", "browser"]

Show = Callable[[ChatPage, str], None]


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One person's browser."""
    made = browser.new_context(viewport={"width": 1280, "height": 800})
    yield made
    made.close()


@pytest.fixture
def chat(context: BrowserContext, address: str) -> Iterator[ChatPage]:
    tab = ChatPage(context.new_page(), address).open()
    yield tab
    assert tab.errors == []


@pytest.fixture
def show(report: Report) -> Show:
    """Keep a picture of the tab."""

    def shown(tab: ChatPage, caption: str) -> None:
        report.pictures.append(Picture(caption, tab.page.screenshot(type="jpeg", quality=80)))

    return shown


def ask_about_sales(chat: ChatPage) -> None:
    chat.upload("sales.csv", SALES)
    expect(chat.page.get_by_label("Chats and files").get_by_text("sales.csv")).to_be_visible()
    chat.ask(QUESTION)


def test_the_page_comes_over_tls_with_a_cookie_that_no_script_and_no_plain_line_sees(
    chat: ChatPage, context: BrowserContext, target: Target
) -> None:
    cookies = [cookie for cookie in context.cookies() if cookie["name"] == "outloud_user"]

    assert [(cookie["httpOnly"], cookie["sameSite"]) for cookie in cookies] == [(True, "Lax")]
    assert cookies[0]["secure"] == target.url.startswith("https://")
    assert chat.page.evaluate("window.isSecureContext")


def test_a_person_asks_about_a_table_and_sees_every_step(chat: ChatPage, show: Show) -> None:
    show(chat, "An empty chat")
    ask_about_sales(chat)
    expect(chat.last_turn.locator(".work__label")).to_be_visible()
    show(chat, "Working on a question about an uploaded table")

    chat.expect_done(seconds=120)
    show(chat, "The answer")
    chat.show_steps()
    expect(chat.last_turn.locator(".tool__name").first).to_be_visible()
    chat.last_turn.locator(".work__bar").first.evaluate("bar => bar.scrollIntoView()")
    show(chat, "The same with its steps unfolded")


def test_a_reload_in_the_middle_of_an_answer_has_missed_nothing(chat: ChatPage, context: BrowserContext) -> None:
    ask_about_sales(chat)
    expect(chat.page).to_have_url(re.compile(r"/t/thr_"))
    undisturbed = ChatPage(context.new_page(), chat.url).open(chat.page.url.removeprefix(chat.url))

    chat.page.reload()
    chat.expect_done(seconds=120)
    undisturbed.expect_done(seconds=120)

    assert chat.picture() == undisturbed.picture()


def test_either_of_two_tabs_can_stop_the_answer(chat: ChatPage, context: BrowserContext, show: Show) -> None:
    ask_about_sales(chat)
    expect(chat.page).to_have_url(re.compile(r"/t/thr_"))
    other = ChatPage(context.new_page(), chat.url).open(chat.page.url.removeprefix(chat.url))

    other.page.get_by_role("button", name="Stop (Esc)").click()

    for tab in (chat, other):
        expect(tab.last_turn).to_contain_text("Stopped", timeout=scaled(15_000))
    show(other, "Stopped, as the other tab sees it")


def test_it_fits_a_phone(chat: ChatPage, show: Show) -> None:
    chat.page.set_viewport_size({"width": 390, "height": 800})
    chat.ask(SUM)
    chat.expect_done()

    assert chat.page.evaluate("document.documentElement.scrollWidth") <= 390
    show(chat, "On a phone")


def test_it_follows_a_dark_screen(chat: ChatPage, show: Show) -> None:
    light = chat.page.evaluate("getComputedStyle(document.body).backgroundColor")
    chat.page.emulate_media(color_scheme="dark")
    chat.ask(SUM)
    chat.expect_done()

    assert chat.page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    show(chat, "On a dark screen")
