"""Keeps secrets and bulk out of what is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

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
        shown = {str(name): self._shown(str(name), value) for name, value in arguments.items()}
        text = json.dumps(shown, ensure_ascii=False, default=str)
        if len(text.encode()) <= MAX_ARGUMENT_BYTES:
            loaded: dict[str, Any] = json.loads(text)
            return loaded
        return {"…": text.encode()[: MAX_ARGUMENT_BYTES - 200].decode(errors="ignore") + "…"}

    def _shown(self, name: str, value: Any) -> Any:
        if _SECRET_NAME.search(name):
            return HIDDEN
        if isinstance(value, str):
            text = self.text(value)
            return text if len(text) <= _MAX_STRING else f"{text[:_MAX_STRING]}… ({len(text):,} characters)"
        if isinstance(value, Mapping):
            return {str(key): self._shown(str(key), item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._shown("", item) for item in value]
        return value
