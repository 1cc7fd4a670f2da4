"""A message that is written while an answer is still being made: it waits, or it stops what goes on."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.browser.conftest import OpenTab
from tests.browser.page import ChatPage


def turn(chat: ChatPage, number: int) -> Locator:
    return chat.conversation.get_by_role("article").nth(number)


def label(chat: ChatPage, number: int) -> Locator:
    return turn(chat, number).locator(".work__label")


def begin_waiting(chat: ChatPage) -> None:
    chat.ask("go", agent="waiter")
    chat.expect_text("I wait.")


def test_a_second_message_is_answered_after_the_first(chat: ChatPage, open_tab: OpenTab) -> None:
    chat.ask("30", agent="counter")
    chat.expect_text("1 2 3")

    chat.ask("go", agent="quick")

    expect(label(chat, 1)).to_have_text("Waits for the answer before it")
    other = open_tab().open(chat.page.url.removeprefix(chat.url))
    for tab in (chat, other):
        expect(turn(tab, 0).locator(".answer")).to_contain_text("29 30 done")
        expect(turn(tab, 1).locator(".answer")).to_contain_text("It is 3.")


def test_a_message_can_stop_the_answer_that_is_being_made(chat: ChatPage) -> None:
    begin_waiting(chat)
    chat.page.get_by_label("Agent", exact=True).select_option("quick")
    chat.page.get_by_role("textbox", name="Message").fill("this instead")

    chat.page.get_by_role("button", name="Stop and send").click()

    expect(chat.page.get_by_role("textbox", name="Message")).to_be_focused()
    expect(turn(chat, 0)).to_contain_text("Stopped before the answer was finished. What was written so far is kept.")
    expect(turn(chat, 0)).to_contain_text("I wait.")
    expect(turn(chat, 1).locator(".answer")).to_contain_text("It is 3.")


def test_the_choice_is_there_only_while_there_is_something_to_stop_and_something_to_say(chat: ChatPage) -> None:
    choice = chat.page.get_by_role("button", name="Stop and send")
    box = chat.page.get_by_role("textbox", name="Message")
    box.fill("hello")
    expect(choice).to_be_hidden()
    begin_waiting(chat)
    expect(choice).to_be_hidden()

    box.fill("hello")

    expect(choice).to_be_visible()
    expect(chat.page.get_by_role("button", name="Send after this answer")).to_be_enabled()


def test_waiting_messages_can_be_stopped_one_by_one(chat: ChatPage) -> None:
    begin_waiting(chat)
    chat.ask("second", agent="quick")
    chat.ask("third", agent="quick")
    expect(label(chat, 2)).to_have_text("Waits for the answer before it")

    turn(chat, 1).get_by_role("button", name="Stop").click()

    expect(label(chat, 1)).to_have_text(re.compile("^Stopped"))
    expect(label(chat, 0)).to_have_text(re.compile("^waiter"))
    expect(label(chat, 2)).to_have_text("Waits for the answer before it")


def test_escape_stops_the_answer_that_is_being_made_and_the_next_one_begins(chat: ChatPage) -> None:
    begin_waiting(chat)
    chat.ask("second", agent="quick")
    expect(label(chat, 1)).to_have_text("Waits for the answer before it")

    chat.page.keyboard.press("Escape")

    expect(label(chat, 0)).to_have_text(re.compile("^Stopped"))
    expect(turn(chat, 1).locator(".answer")).to_contain_text("It is 3.")


def test_messages_in_quick_succession_keep_their_order_in_one_new_chat(chat: ChatPage) -> None:
    chat.page.get_by_label("Agent", exact=True).select_option("quick")
    box = chat.page.get_by_role("textbox", name="Message")
    for text in ("one", "two", "three"):
        box.fill(text)
        box.press("Enter")

    expect(turn(chat, 2).locator(".answer")).to_contain_text("It is 3.")
    questions = chat.conversation.locator(".question__text").all_inner_texts()
    assert questions == ["one", "two", "three"]
    expect(chat.page.get_by_role("navigation", name="Chats").get_by_role("link")).to_have_count(1)


def test_a_phone_has_room_for_the_choice(chat: ChatPage) -> None:
    chat.page.set_viewport_size({"width": 360, "height": 740})
    begin_waiting(chat)
    chat.page.get_by_role("textbox", name="Message").fill("hello")

    assert chat.page.evaluate("document.documentElement.scrollWidth") <= 360
    for name in ("Stop and send", "Send after this answer", "Stop (Esc)"):
        expect(chat.page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
