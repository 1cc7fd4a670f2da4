"""What a person sees and does when an agent asks for a yes, and what the other tabs see of it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from tests.browser.conftest import OpenTab
from tests.browser.page import ChatPage
from tests.support.system import running_system
from tests.support.waiting import scaled


def path_of(chat: ChatPage) -> str:
    expect(chat.page).to_have_url(re.compile(r"/t/thr_"))
    return chat.page.url.removeprefix(chat.url)


def card_of(chat: ChatPage) -> Locator:
    return chat.conversation.get_by_role("region", name="shred needs your yes")


def ask_and_wait(chat: ChatPage, name: str = "letter.txt", *, agent: str = "shredder") -> Locator:
    """Let the agent ask; answers the card once its exact arguments are there."""
    chat.ask(name, agent=agent)
    card = card_of(chat)
    expect(card.get_by_role("button", name="Allow")).to_be_enabled(timeout=scaled(20_000))
    return card


def test_a_call_that_needs_a_yes_says_what_it_would_do_and_until_when(chat: ChatPage) -> None:
    card = ask_and_wait(chat)

    expect(card).to_contain_text("letter.txt")
    expect(card).to_contain_text(re.compile(r"Expires in (1 day|23 h)"))
    expect(chat.last_turn.locator(".work__label")).to_have_text("Waiting for your yes")
    expect(chat.page).to_have_title(re.compile("^Waiting for your yes"))
    expect(chat.page.locator("#waiting")).to_contain_text("Waiting for your yes: shred")
    expect(chat.page.locator("#announcer")).to_contain_text("shredder asks to call shred")


def test_after_a_yes_in_one_tab_the_card_closes_in_every_tab(chat: ChatPage, open_tab: OpenTab) -> None:
    card = ask_and_wait(chat)
    other = open_tab().open(path_of(chat))
    expect(card_of(other)).to_be_visible()

    card.get_by_role("button", name="Allow").click()

    for tab in (chat, other):
        tab.expect_text("Done: letter.txt is in shreds.")
        tab.expect_done()
        expect(card_of(tab)).to_have_count(0)
        expect(tab.page.locator("#waiting")).to_be_hidden()
    chat.show_steps()
    expect(chat.last_turn).to_contain_text("You allowed this call.")
    other.show_steps()
    assert chat.picture() == other.picture()


def test_after_a_no_the_agent_goes_on_without_it(chat: ChatPage) -> None:
    ask_and_wait(chat).get_by_role("button", name="Deny").click()

    chat.expect_text("Kept: ")
    chat.show_steps()
    expect(chat.last_turn).to_contain_text("You denied this call.")
    expect(chat.last_turn).not_to_contain_text("is in shreds")


def test_the_arguments_can_be_changed_before_they_are_allowed(chat: ChatPage) -> None:
    card = ask_and_wait(chat)
    card.get_by_role("button", name="Edit").click()
    box = card.get_by_label("Arguments, as JSON")
    expect(box).to_be_focused()

    box.fill('["copy.txt"]')
    card.get_by_role("button", name="Allow with changes").click()
    expect(card.get_by_role("alert").filter(has_text="must be a JSON object")).to_be_visible()
    box.fill('{"name": "copy.txt"}')
    card.get_by_role("button", name="Allow with changes").click()

    chat.expect_text("Done: copy.txt is in shreds.")
    chat.show_steps()
    expect(chat.last_turn).to_contain_text("You allowed this call with changed arguments.")
    chat.last_turn.locator(".tool__head").click()
    expect(chat.last_turn.locator(".tool__body")).to_contain_text(re.compile("letter.txt.*copy.txt", re.DOTALL))


def test_arguments_that_the_tool_does_not_take_are_refused_in_words(chat: ChatPage) -> None:
    card = ask_and_wait(chat)
    card.get_by_role("button", name="Edit").click()

    card.get_by_label("Arguments, as JSON").fill('{"nome": 7}')
    card.get_by_role("button", name="Allow with changes").click()

    chat.expect_done()
    chat.show_steps()
    expect(chat.last_turn).not_to_contain_text("is in shreds")


def test_a_card_neither_takes_the_focus_from_who_types_nor_hides_in_a_fold(chat: ChatPage) -> None:
    box = chat.page.get_by_role("textbox", name="Message")
    chat.ask("letter.txt", agent="janitor")
    box.press_sequentially("I am still writing", delay=60)

    expect(card_of(chat)).to_be_visible()
    box.press_sequentially(" this")
    expect(box).to_have_value("I am still writing this")
    for fold in (".work__head", ".call__head"):
        expect(chat.last_turn.locator(fold)).to_have_attribute("aria-disabled", "true")


def test_a_card_can_be_reached_and_answered_by_keyboard(chat: ChatPage) -> None:
    card = ask_and_wait(chat)
    keyboard = chat.page.keyboard

    chat.page.get_by_role("button", name="Show", exact=True).press("Enter")
    expect(card).to_be_focused()
    keyboard.press("Tab")
    expect(card.get_by_role("button", name="Allow")).to_be_focused()
    for _ in range(2):
        keyboard.press("Tab")
    keyboard.press("Enter")
    keyboard.press("Escape")
    expect(card.get_by_role("button", name="Edit")).to_be_focused()
    keyboard.press("Shift+Tab")
    keyboard.press("Enter")

    chat.expect_text("Kept: ")
    expect(chat.last_turn.locator(".tool__head")).to_be_focused()


def test_a_reload_shows_the_card_again(chat: ChatPage) -> None:
    ask_and_wait(chat)

    chat.page.reload()

    card_of(chat).get_by_role("button", name="Allow").click()
    chat.expect_text("Done: letter.txt is in shreds.")


def test_a_stop_closes_the_card_and_keeps_what_was_written(chat: ChatPage, open_tab: OpenTab) -> None:
    ask_and_wait(chat)
    other = open_tab().open(path_of(chat))
    expect(card_of(other)).to_be_visible()

    other.page.get_by_role("button", name="Stop (Esc)").click()

    for tab in (chat, other):
        expect(tab.last_turn).to_contain_text(
            "Stopped before the answer was finished. What was written so far is kept."
        )
        expect(tab.last_turn).to_contain_text("I would shred it.")
        expect(tab.last_turn).to_contain_text("Stopped before anyone decided.")
        expect(card_of(tab)).to_have_count(0)


def test_what_is_to_be_allowed_hides_no_character(chat: ChatPage) -> None:
    card = ask_and_wait(chat, "<b>gpj.\u202etxt</b>")

    expect(card.locator(".arguments dd")).to_have_text("<b>gpj.\\u202etxt</b>")
    card.get_by_role("button", name="Edit").click()
    expect(card.get_by_label("Arguments, as JSON")).to_have_value(re.compile(r"gpj\.\\u202etxt"))


def test_a_phone_shows_the_whole_card(chat: ChatPage) -> None:
    chat.page.set_viewport_size({"width": 360, "height": 740})
    card = ask_and_wait(chat, "a_document_with_quite_a_long_name_" * 5)

    assert chat.page.evaluate("document.documentElement.scrollWidth") <= 360
    for name in ("Allow", "Deny", "Edit"):
        expect(card.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)


def test_a_question_that_nobody_answers_in_time_is_a_no(
    tmp_path_factory: pytest.TempPathFactory, context: BrowserContext
) -> None:
    settings = {"AGENTS": "tests.support.agents", "APPROVAL_SECONDS": "3"}
    with running_system(tmp_path_factory.mktemp("expiry"), settings) as system:
        chat = ChatPage(context.new_page(), system.url).open()
        chat.ask("letter.txt", agent="shredder")
        expect(card_of(chat)).to_contain_text(re.compile(r"Expires in \d s"))

        chat.expect_text("Kept: ")

        chat.show_steps()
        expect(chat.last_turn).to_contain_text("Nobody decided in time.")
