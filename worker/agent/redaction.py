"""Keeps secrets and bulk out of what is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

HIDDEN = "•••"
MAX_ARGUMENT_BYTES = 4096
_MAX_STRING = 1000
_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)|secret|token|api_?key|authorization|credential|private_?key", re.IGNORECASE
)


class Redactor:
    """Hides known secret values wherever they stand in a text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # Very short values would blank out ordinary words.
        self._secrets = sorted({secret for secret in secrets if len(secret) >= 6}, key=len, reverse=True)

    def text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Make a tool's arguments fit to be shown: secrets hidden, long texts and large values cut."""
        budget = _Budget(MAX_ARGUMENT_BYTES)
        shown = {str(name): self._shown(str(name), value, budget) for name, value in arguments.items()}
        text = json.dumps(shown, default=str)
        if len(text) <= MAX_ARGUMENT_BYTES:
            loaded: dict[str, Any] = json.loads(text)
            return loaded
        return {"…": text[: MAX_ARGUMENT_BYTES // 2] + "…"}

    def _shown(self, name: str, value: Any, budget: _Budget) -> Any:
        if _SECRET_NAME.search(name):
            return HIDDEN
        if isinstance(value, str):
            text = self.text(value)
            budget.spend(len(text))
            return text if len(text) <= _MAX_STRING else f"{text[:_MAX_STRING]}… ({len(text):,} characters)"
        if isinstance(value, Mapping):
            return {str(key): self._shown(str(key), item, budget) for key, item in budget.within(value.items())}
        if isinstance(value, list | tuple):
            return [self._shown("", item, budget) for item in budget.within(value)]
        return value


class _Budget:
    """Stops the walk through a large value once more has been seen than will be shown."""

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self, amount: int) -> None:
        self._left -= amount

    def within(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
            if self._left <= 0:
                return
            self.spend(2)
            yield item
