"""What an operator sees and does on /ops, in a real Chromium in front of real processes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.page import ChatPage
from tests.support.client import Client
from tests.support.operators import NAME, PASSWORD, Operator
from tests.support.system import System, running_system
from tests.support.waiting import scaled, wait_until

OpenOps = Callable[..., Page]

SETTINGS = {"AGENTS": "tests.support.agents", "OPS_PASSWORD": PASSWORD, "LEASE_SECONDS": "4"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    directory = tmp_path_factory.mktemp("ops")
    with running_system(directory, {**SETTINGS, "COUNTER_FILE": str(directory / "counter")}) as running:
        running.start_worker()
        yield running


@pytest.fixture
def open_ops(browser: Browser, system: System) -> Iterator[OpenOps]:
    """Open the page as an operator; nothing on it may go wrong."""
    contexts = []
    errors: list[str] = []

    def opened(path: str = "/ops", *, width: int = 1280, height: int = 800) -> Page:
        credentials = {"username": NAME, "password": PASSWORD}
        context = browser.new_context(viewport={"width": width, "height": height}, http_credentials=credentials)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(scaled(15_000))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(system.url + path)
        expect(page.locator("#fresh-text")).to_have_text("Live")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    made = Client(system.url)
    yield made
    made.close()


@pytest.fixture
def operator(system: System) -> Iterator[Operator]:
    made = Operator(system.url)
    yield made
    made.close()


def line(page: Page, table: str, run_id: str) -> Locator:
    return page.locator(f"#{table} tbody tr").filter(has=page.locator(f'a[href="/ops/runs/{run_id}"]'))


def tile(page: Page, title: str) -> Locator:
    return page.locator(".tile").filter(has_text=title).locator("dd")


def agree(page: Page, button: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=button).click()


def begin(client: Client, operator: Operator, agent: str = "waiter", message: str = "go") -> str:
    """Start a run; returns when a worker has it."""
    run_id = str(client.post_run(message, agent=agent)["run_id"])
    operator.line_of(run_id, lambda run: run["hold"] == "held" and run["last_seq"] > 2)
    return run_id


def test_others_are_kept_out_in_words(browser: Browser, system: System) -> None:
    """By a web process whose operators have no password: a browser would ask for it where there is one."""
    page = browser.new_page()
    web = system.start_web(OPS_PASSWORD="")

    answer = page.goto(system.url_of(web) + "/ops")

    assert answer is not None
    assert answer.status == 403
    assert "OPS_PASSWORD" in page.inner_text("body")
    page.close()
    system.webs.remove(web)
    web.stop()


def test_an_operator_sees_what_runs_without_a_word_of_it(open_ops: OpenOps, client: Client, operator: Operator) -> None:
    run_id = begin(client, operator, "walker", "30 0.5")
    page = open_ops()

    row = line(page, "runs", run_id)
    expect(row).to_contain_text("Running")
    expect(row).to_contain_text("walker")
    expect(row).to_contain_text(re.compile(r"\d s left"))
    expect(tile(page, "Workers")).to_have_text("2")
    expect(page.locator("#workers tbody tr")).to_have_count(2)
    expect(page.locator("body")).not_to_contain_text("step 1")
    row.get_by_role("link").click()
    sheet = page.get_by_role("dialog")
    expect(sheet).to_contain_text("tool_executing")
    expect(page).to_have_url(re.compile(f"/ops/runs/{run_id}$"))
    expect(sheet).not_to_contain_text("step 1")
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("/ops$"))
    client.cancel(run_id)
    expect(row).to_have_count(0)


def test_an_operator_stops_a_run_and_its_owner_reads_that(
    open_ops: OpenOps, open_tab: Callable[[], ChatPage], operator: Operator
) -> None:
    chat = open_tab().open()
    chat.ask("go", agent="waiter")
    chat.expect_text("I wait.")
    run_id = wait_until(lambda: next((run["run_id"] for run in operator.look()["runs"]), None), 10)
    assert run_id is not None
    page = open_ops()

    line(page, "runs", run_id).get_by_role("button", name="Stop").click()
    expect(page.get_by_role("dialog")).to_contain_text("Its owner reads that an operator stopped it.")
    agree(page, "Stop the run")

    expect(page.locator("#toasts")).to_contain_text("stopped")
    expect(line(page, "runs", run_id)).to_have_count(0)
    chat.expect_text("An operator stopped this before the answer was finished.")


def test_a_question_that_is_answered_with_no_changes_nothing(
    open_ops: OpenOps, client: Client, operator: Operator
) -> None:
    run_id = begin(client, operator)
    page = open_ops()

    button = line(page, "runs", run_id).get_by_role("button", name="Stop")
    button.focus()
    page.keyboard.press("Enter")
    agree(page, "Leave it")

    expect(button).to_be_focused()
    assert client.run(run_id)["stopping"] is False
    client.cancel(run_id)
    # Its line is gone, and the focus stays in this part of the page.
    expect(line(page, "runs", run_id)).to_have_count(0)
    expect(page.locator("#runs-title")).to_be_focused()


def test_an_operator_gives_a_run_to_another_worker(open_ops: OpenOps, client: Client, operator: Operator) -> None:
    run_id = begin(client, operator, "walker", "16 0.5")
    had = operator.line_of(run_id, lambda run: run["hold"] == "held")["worker"]
    page = open_ops(f"/ops/runs/{run_id}")

    page.get_by_role("dialog").get_by_role("button", name="Requeue").click()
    agree(page, "Requeue the run")

    taken = operator.line_of(run_id, lambda run: run["attempt"] == 2, what="another worker took it")
    assert taken["worker"] != had
    expect(page.locator("#sheet")).to_contain_text("Attempt")
    expect(page.locator("#sheet .life rect.life__attempt")).to_have_count(2)
    assert client.follow(run_id)[-1]["type"] == "agent_completed"
    expect(page.locator("#sheet")).to_contain_text("Completed")


def test_an_operator_runs_a_failed_run_again(open_ops: OpenOps, client: Client) -> None:
    failed = client.post_run("go", agent="fragile")
    assert client.follow(failed["run_id"])[-1]["type"] == "agent_failed"
    page = open_ops()
    row = line(page, "failures", failed["run_id"])
    expect(row).to_contain_text("nothing works today")
    expect(row).to_contain_text("agent_error")

    row.get_by_role("button", name=re.compile("again$")).click()
    agree(page, "Run it again")

    expect(page.locator("#toasts")).to_contain_text("runs again as")
    thread = client.http.get(f"/api/threads/{failed['thread_id']}").json()
    assert [(run["message"], run["agent"]) for run in thread["runs"]] == [("go", "fragile")] * 2
    expect(tile(page, "Failed in the last hour")).not_to_have_text("0", timeout=scaled(20_000))


def test_a_killed_worker_is_seen_until_another_one_goes_on(
    open_ops: OpenOps, system: System, client: Client, operator: Operator
) -> None:
    run_id = begin(client, operator, "walker", "30 0.5")
    worker_id = operator.line_of(run_id, lambda run: run["hold"] == "held")["worker"]
    card = wait_until(lambda: operator.card_of(worker_id, runs=1), 10)
    page = open_ops()

    next(worker for worker in system.workers if worker.pid == card["pid"]).kill()

    row = line(page, "runs", run_id)
    expect(row).to_contain_text(re.compile(r"silent for \d s"), timeout=scaled(10_000))
    expect(row).to_contain_text("2, 1 lost", timeout=scaled(20_000))
    expect(row).to_contain_text("Running")
    gone = page.locator("#workers tbody tr").filter(has_text="Gone")
    expect(gone).to_contain_text(re.compile(r"last seen \d+ s ago, with 1 run"), timeout=scaled(25_000))
    client.cancel(run_id)
    system.start_worker()


def test_a_narrow_page_shows_lines_as_cards_and_needs_no_sideways_scrolling(
    open_ops: OpenOps, client: Client, operator: Operator
) -> None:
    run_id = begin(client, operator)
    page = open_ops(width=390, height=844)

    row = line(page, "runs", run_id)
    expect(row.get_by_role("button", name="Stop")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    row.get_by_role("link").click()
    steps = page.locator("#sheet .steps")
    expect(steps.locator("tbody tr").first).to_be_visible()
    assert steps.evaluate("table => table.getBoundingClientRect().right") <= 390
    client.cancel(run_id)


def test_a_server_that_repeats_its_last_look_is_not_claimed_to_tell_news(open_ops: OpenOps, operator: Operator) -> None:
    page = open_ops()
    told = operator.look()

    page.route("**/api/ops", lambda route: route.fulfill(json=told))

    expect(page.locator("#stale")).to_contain_text(re.compile(r"What you see is \d+ s old"), timeout=scaled(15_000))


def test_news_that_are_old_are_not_claimed_to_be_new(open_ops: OpenOps, client: Client, operator: Operator) -> None:
    page = open_ops()

    page.context.set_offline(True)
    expect(page.locator("#stale")).to_contain_text(re.compile(r"What you see is \d+ s old"), timeout=scaled(15_000))
    expect(page.locator("#fresh-text")).to_have_text("Not live")

    page.context.set_offline(False)
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator("#fresh-text")).to_have_text("Live")
