"""What a person does and sees on the chat page, as verbs."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.support.waiting import scaled

#: Clocks and durations differ between two looks at the same thing.
_TIMES = re.compile(r"\b\d+(\.\d+)? ?(ms|s|min)\b")


class ChatPage:
    """One open tab."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(scaled(15_000))

    def open(self, path: str = "/") -> ChatPage:
        self.page.goto(self.url + path)
        expect(self.page.get_by_role("textbox", name="Message")).to_be_visible()
        return self

    def ask(self, text: str, *, agent: str | None = None) -> None:
        if agent is not None:
            self.page.get_by_label("Agent", exact=True).select_option(agent)
        self.page.get_by_role("textbox", name="Message").fill(text)
        self.page.get_by_role("textbox", name="Message").press("Enter")

    def upload(self, name: str, content: bytes) -> None:
        self.page.locator("#picker").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})

    @property
    def conversation(self) -> Locator:
        return self.page.get_by_role("log", name="Conversation")

    @property
    def last_turn(self) -> Locator:
        return self.conversation.get_by_role("article").last

    def expect_text(self, text: str | re.Pattern[str], *, seconds: float = 30) -> None:
        expect(self.conversation).to_contain_text(text, timeout=scaled(seconds * 1000))

    def expect_done(self, *, seconds: float = 60) -> None:
        expect(self.last_turn).to_contain_text(re.compile(r"Done|Stopped|Failed"), timeout=scaled(seconds * 1000))

    def show_steps(self) -> None:
        """Unfold the last turn's steps."""
        button = self.last_turn.locator(".work__bar button[aria-expanded]").first
        if button.get_attribute("aria-expanded") == "false":
            button.click()

    def unfold_everything(self) -> None:
        folded = self.last_turn.locator(".steps button[aria-expanded=false]:visible")
        while folded.count():
            folded.first.click()

    def picture(self) -> str:
        """What the conversation says, without clocks."""
        return _TIMES.sub("—", self.conversation.inner_text())

    def screenshot(self, path: Path) -> None:
        self.page.screenshot(path=path)
