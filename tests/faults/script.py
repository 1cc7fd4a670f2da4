"""What the scripted model says to `thinker`: three answers, by what it has been told so far. Notes who asked when."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence

from tests.faults.history import ModelAsked
from tests.support.model_provider import ModelProvider, ModelRequest, Reply, call, reply, text, thinking

_NAME = re.compile(r"seed \d+ run \d+")


class ScriptedModel:
    """Answers through a `ModelProvider`."""

    def __init__(self, provider: ModelProvider) -> None:
        self._asked: list[tuple[float, str, int, ModelRequest]] = []
        self._lock = threading.Lock()
        provider.decide(self._decide)

    def asked(self, names: Sequence[str]) -> list[ModelAsked]:
        """The requests of these runs, and forgets all that it was asked."""
        with self._lock:
            asked, self._asked = self._asked, []
        return [
            ModelAsked(at=at, run=run, step=step, answered=request.ended.is_set() and not request.abandoned)
            for at, run, step, request in asked
            if run in names
        ]

    def _decide(self, request: ModelRequest) -> Reply:
        messages = request.body["messages"]
        told = "\n".join(str(message.get("content")) for message in messages if message["role"] == "user")
        step = 1 + sum(message["role"] == "assistant" for message in messages)
        if found := _NAME.search(told):
            with self._lock:
                self._asked.append((time.time(), found[0], step, request))
        return _answer(step)


def _answer(step: int) -> Reply:
    if step == 1:
        return reply(thinking("First ", "I measure.", pause=0.03), call("measure", step=1, seconds=0.2))
    if step == 2:
        return reply(
            text("Now ", "two ", "things.", pause=0.03),
            call("send", step=2, seconds=0.2),
            call("measure", step=2, seconds=0.3),
        )
    return reply(text(*(f"word {n} " for n in range(10)), pause=0.03))
