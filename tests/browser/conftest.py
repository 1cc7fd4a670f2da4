"""A real Chromium in front of the system as the Procfile starts it, or of the deployment that `make staging` checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.page import ChatPage
from tests.staging.target import TARGET, Target
from tests.support.chromium import find_chromium, launch_arguments
from tests.support.system import System, running_system

OpenTab = Callable[[], ChatPage]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    settings = {"AGENTS": "worker.crew.agents,tests.support.agents"}
    with running_system(tmp_path_factory.mktemp("browser"), settings) as running:
        yield running


@pytest.fixture(scope="module")
def address(request: pytest.FixtureRequest) -> str:
    """Where the page is: at the deployment that is checked, else at a system of this module's own."""
    target = request.config.stash.get(TARGET, None)
    return target.url if target is not None else request.getfixturevalue("system").url


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Closed with its module: Playwright keeps an event loop running, beside which no other test could run its own."""
    executable = find_chromium()
    arguments = [*launch_arguments(), *_trust(request.config.stash.get(TARGET, None))]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One person's browser: tabs of it share the cookie."""
    made = browser.new_context(viewport={"width": 1280, "height": 800})
    yield made
    made.close()


@pytest.fixture
def open_tab(context: BrowserContext, address: str) -> Iterator[OpenTab]:
    tabs: list[ChatPage] = []

    def opened() -> ChatPage:
        tabs.append(ChatPage(context.new_page(), address))
        return tabs[-1]

    yield opened
    assert [error for tab in tabs for error in tab.errors] == []


@pytest.fixture
def chat(open_tab: OpenTab) -> ChatPage:
    """A tab with the page open."""
    return open_tab().open()


def _trust(target: Target | None) -> list[str]:
    """Let the browser accept one public key, and check all others as it always does."""
    return [f"--ignore-certificate-errors-spki-list={target.pin}"] if target is not None and target.pin else []
