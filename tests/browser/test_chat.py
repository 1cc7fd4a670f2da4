"""What a person sees, in a real Chromium, while real agents run."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import OpenTab
from tests.browser.page import ChatPage
from tests.support.system import System, running_system
from tests.support.waiting import scaled

SALES = b"""region,quarter,revenue
North,2025-Q1,100
South,2025-Q1,200
North,2025-Q2,130
South,2025-Q2,90
"""


def path_of(chat: ChatPage) -> str:
    expect(chat.page).to_have_url(re.compile(r"/t/thr_"))
    return chat.page.url.removeprefix(chat.url)


def numbers_in_answer(chat: ChatPage) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", chat.last_turn.locator(".answer").inner_text())]


def test_a_person_watches_thought_tool_and_answer_live(chat: ChatPage) -> None:
    chat.ask("60", agent="counter")

    chat.expect_text("I shall count to 60.")
    chat.expect_text("1 2 3")
    assert "done" not in chat.last_turn.locator(".answer").inner_text()
    chat.expect_text(re.compile(r"59 60 done"))
    chat.expect_done()
    assert numbers_in_answer(chat) == list(range(1, 61))
    chat.show_steps()
    expect(chat.last_turn.locator(".tool__name", has_text="add")).to_have_count(6)


def test_what_is_said_between_tool_calls_stays_between_them(chat: ChatPage) -> None:
    chat.ask("20", agent="counter")
    chat.expect_done()
    chat.show_steps()

    kinds = chat.last_turn.locator(".steps__list > *").evaluate_all("steps => steps.map((step) => step.classList[0])")

    assert kinds == ["thought", "said", "tool", "said", "tool"]
    expect(chat.last_turn.locator(".said").first).to_have_text("1 2 3 4 5 6 7 8 9 10")
    expect(chat.last_turn.locator(".said").last).to_have_text("11 12 13 14 15 16 17 18 19 20")
    assert numbers_in_answer(chat) == list(range(1, 21))


def test_a_reload_in_mid_run_has_missed_nothing(chat: ChatPage, open_tab: OpenTab) -> None:
    chat.ask("100", agent="counter")
    chat.expect_text("11 12")
    undisturbed = open_tab().open(path_of(chat))

    chat.page.reload()
    chat.expect_text("99 100 done")
    undisturbed.expect_text("99 100 done")
    chat.expect_done()
    undisturbed.expect_done()

    assert chat.picture() == undisturbed.picture()


def test_two_tabs_show_the_same_run_and_either_can_stop_it(chat: ChatPage, open_tab: OpenTab) -> None:
    chat.ask("go", agent="waiter")
    chat.expect_text("I wait.")
    other = open_tab().open(path_of(chat))
    other.expect_text("I wait.")

    other.page.get_by_role("button", name="Stop (Esc)").click()

    for tab in (chat, other):
        expect(tab.last_turn).to_contain_text("Stopped")
        expect(tab.last_turn).to_contain_text("I wait.")
    assert chat.picture() == other.picture()


def test_an_eleventh_tab_is_live_too(chat: ChatPage, open_tab: OpenTab) -> None:
    chat.ask("go", agent="waiter")
    chat.expect_text("I wait.")
    tabs = [open_tab().open(path_of(chat)) for _ in range(10)]
    for tab in tabs:
        tab.expect_text("I wait.")

    chat.page.get_by_role("button", name="Stop (Esc)").click()

    expect(tabs[-1].last_turn).to_contain_text("Stopped")
    expect(tabs[-1].page.locator("#connection")).to_be_hidden()


def test_a_chat_that_is_deleted_in_one_tab_is_left_in_the_other(chat: ChatPage, open_tab: OpenTab) -> None:
    chat.ask("go", agent="quick")
    chat.expect_done()
    other = open_tab().open(path_of(chat))
    other.expect_done()
    other.page.get_by_role("textbox", name="Message").fill("half a thought")

    chat.page.get_by_role("button", name=re.compile("Delete chat")).first.click()
    chat.page.get_by_role("dialog").get_by_role("button", name="Delete chat").click()

    expect(other.page.get_by_role("alert")).to_contain_text("This chat has been deleted.")
    expect(other.page).to_have_url(f"{other.url}/")
    expect(other.page.get_by_role("textbox", name="Message")).to_have_value("half a thought")


def test_a_message_for_a_deleted_chat_can_be_sent_in_a_new_one(chat: ChatPage) -> None:
    chat.ask("go", agent="quick")
    chat.expect_done()
    deleted = path_of(chat)
    assert chat.page.request.delete(f"{chat.url}/api/threads/{deleted.removeprefix('/t/')}").ok

    chat.ask("once more")
    chat.page.get_by_role("button", name="Send in a new chat").click()

    chat.expect_done()
    expect(chat.conversation.get_by_role("article")).to_have_count(1)
    assert path_of(chat) != deleted


def test_a_page_that_was_offline_catches_up_by_itself(chat: ChatPage, context: BrowserContext) -> None:
    chat.ask("150", agent="counter")
    chat.expect_text("5 6 7")

    context.set_offline(True)
    expect(chat.page.get_by_role("status").filter(has_text=re.compile("Reconnecting|Offline|offline"))).to_be_visible()
    context.set_offline(False)

    chat.expect_text("149 150 done")
    assert numbers_in_answer(chat) == list(range(1, 151))


def test_a_failed_agent_says_why_and_can_be_asked_again(chat: ChatPage) -> None:
    chat.ask("go", agent="fragile")

    expect(chat.last_turn).to_contain_text("nothing works today")
    chat.page.get_by_role("button", name="Ask again").click()

    expect(chat.conversation.get_by_role("article")).to_have_count(2)


def test_a_csv_is_uploaded_and_a_question_about_it_goes_through_the_crew(chat: ChatPage) -> None:
    chat.page.set_viewport_size({"width": 1280, "height": 520})
    chat.upload("quarter sales.csv", SALES)
    expect(chat.page.get_by_label("Chats and files").get_by_text("quarter sales.csv")).to_be_visible()

    chat.ask("Which region lost most revenue, and what should we do?")

    chat.expect_done(seconds=90)
    # The answer with its chart is taller than the window: its headline must be what a person sees first.
    expect(chat.page.get_by_role("button", name="Jump to latest")).to_be_visible()
    expect(chat.last_turn.locator(".answer p").first).to_be_in_viewport(ratio=1)
    expect(chat.last_turn.locator(".answer__usage")).not_to_contain_text(re.compile("request|token"))
    chat.show_steps()
    for agent in ("data", "optimization", "actions", "reporting"):
        expect(chat.last_turn.get_by_role("region", name=f"Agent {agent}").first).to_be_visible()
    expect(chat.last_turn.locator(".answer")).to_contain_text("South")
    expect(chat.last_turn.locator(".answer")).to_contain_text("110")


def test_a_csv_that_cannot_be_read_is_refused_in_words(chat: ChatPage) -> None:
    chat.upload("broken.csv", b"a,b\n1,\xff\xfe\x00\x81\x00\n")

    expect(chat.page.locator("#uploads")).to_contain_text(re.compile("broken.csv"))
    expect(chat.page.locator("#uploads")).to_contain_text(re.compile("encod|read|NUL|character", re.IGNORECASE))


def test_markup_in_answers_thoughts_and_results_stays_text(chat: ChatPage) -> None:
    chat.ask("go", agent="vandal")
    chat.expect_done()
    chat.show_steps()
    chat.unfold_everything()

    expect(chat.last_turn).to_contain_text("<img src=x onerror=alert(1)>")
    expect(chat.last_turn).to_contain_text("<script>window.hacked = 1</script>")
    expect(chat.last_turn.locator(".answer strong")).to_have_text("bold")
    assert chat.page.evaluate("window.hacked") is None
    assert chat.last_turn.locator("script, img, [onerror], a[href^='javascript']").count() == 0


def test_the_page_works_with_the_keyboard_alone(chat: ChatPage) -> None:
    chat.page.keyboard.press("Tab")
    chat.page.get_by_label("Agent", exact=True).select_option("waiter")
    chat.page.get_by_role("textbox", name="Message").focus()
    chat.page.keyboard.type("line one")
    chat.page.keyboard.press("Shift+Enter")
    chat.page.keyboard.type("line two")
    chat.page.keyboard.press("Enter")
    chat.expect_text("I wait.")

    chat.page.keyboard.press("Escape")

    expect(chat.last_turn).to_contain_text("Stopped")


def test_a_pressed_suggestion_hands_the_focus_to_the_message_box(chat: ChatPage) -> None:
    expect(chat.page.get_by_role("heading", level=1)).to_have_count(1)

    chat.page.get_by_role("button", name="Just calculate").click()

    expect(chat.page.get_by_role("textbox", name="Message")).to_be_focused()
    chat.expect_done()


def test_a_phone_needs_no_sideways_scrolling(chat: ChatPage) -> None:
    chat.page.set_viewport_size({"width": 360, "height": 740})
    chat.ask("20", agent="counter")
    chat.expect_done()

    assert chat.page.evaluate("document.documentElement.scrollWidth") <= 360
    chat.page.get_by_role("button", name="Chats and files").click()
    expect(chat.page.get_by_role("button", name="New chat")).to_be_in_viewport()


@pytest.fixture
def keyless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose model endpoint is a closed port."""
    settings = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "MODEL": "no-model", "MODEL_MAX_RETRIES": "1"}
    with running_system(tmp_path_factory.mktemp("keyless"), settings) as running:
        yield running


def test_a_model_that_is_down_ends_in_words_a_person_understands(context: BrowserContext, keyless: System) -> None:
    chat = ChatPage(context.new_page(), keyless.url).open()

    chat.ask("hello")

    expect(chat.last_turn).to_contain_text(re.compile("Trying again in"))
    expect(chat.last_turn).to_contain_text("The model could not be reached", timeout=30_000)
    expect(chat.page.get_by_role("button", name="Ask again")).to_be_visible()


def test_a_store_that_is_away_is_said_and_everything_comes_back_by_itself(
    tmp_path_factory: pytest.TempPathFactory, context: BrowserContext
) -> None:
    with running_system(tmp_path_factory.mktemp("away"), {"AGENTS": "tests.support.agents"}) as system:
        chat = ChatPage(context.new_page(), system.url).open()
        chat.ask("go", agent="waiter")
        chat.expect_text("I wait.")
        fresh = ChatPage(context.new_page(), system.url).open()
        notice = chat.page.locator("#notice")

        system.redis.stop()
        expect(notice).to_contain_text("The server cannot reach its store", timeout=scaled(30_000))
        fresh.ask("go", agent="quick")
        expect(fresh.last_turn).to_contain_text("Not sent.", timeout=scaled(30_000))
        chat.page.reload()
        expect(notice).to_contain_text("This chat cannot be read at the moment", timeout=scaled(30_000))
        system.redis.start()

        chat.expect_text("I wait.", seconds=60)
        expect(notice).to_be_hidden()
        expect(chat.page.get_by_label("Agent", exact=True).locator("option")).not_to_have_count(1)
        fresh.expect_text("It is 3.", seconds=60)


def test_a_web_process_that_restarts_is_hardly_noticed(
    tmp_path_factory: pytest.TempPathFactory, context: BrowserContext
) -> None:
    with running_system(tmp_path_factory.mktemp("restart"), {"AGENTS": "tests.support.agents"}) as system:
        chat = ChatPage(context.new_page(), system.url).open()
        chat.ask("200")
        chat.expect_text("5 6 7")

        port = system.ports[system.web.pid]
        system.web.stop()
        system.start_web(port=port)

        chat.expect_text("199 200 done", seconds=60)
        assert numbers_in_answer(chat) == list(range(1, 201))
