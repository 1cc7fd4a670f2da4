"""Whether a process may start on its Redis: what may pass by itself is waited for, what cannot is said at once.

Redis and the processes start in any order on a platform. A process that waited in vain ends, so that the platform
starts it again and somebody sees it. No I/O here: each side hands in its own way of asking.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from worker.contract.obstacles import explain
from worker.contract.server import ServerFacts, refusal_of

T = TypeVar("T")

_PAUSE_SECONDS = 0.5


class StartRefused(Exception):
    """Raised when a process must not start; the message is for the person who started it."""


class Patience(NamedTuple):
    """How a start deals with a server that is away."""

    #: 0: not at all.
    seconds: float
    #: What the client raises.
    errors: tuple[type[Exception], ...]
    #: Is told, once per reason, that the start waits.
    say: Callable[[str], None]


def ask_patiently(ask: Callable[[], T], url: str, patience: Patience) -> T:
    """Ask the server, again and again while it is away. Blocks.

    Raises:
        StartRefused: What stands in the way cannot pass by itself, or has not.
    """
    deadline = time.monotonic() + patience.seconds
    said = ""
    while True:
        try:
            return ask()
        except patience.errors as error:
            words, may_pass = explain(error, url)
            if not may_pass:
                raise StartRefused(words) from error
            if time.monotonic() + _PAUSE_SECONDS > deadline:
                waited = f" Waited {patience.seconds:g} s for it (REDIS_WAIT_SECONDS)." if patience.seconds else ""
                raise StartRefused(words + waited) from error
        if words != said:
            patience.say(f"{words} Waiting for it.")
            said = words
        time.sleep(_PAUSE_SECONDS)


def await_server(read: Callable[[], ServerFacts], url: str, patience: Patience, *, allow_eviction: bool) -> ServerFacts:
    """Wait until the server can be asked, and look at what it says of itself. Blocks.

    Raises:
        StartRefused: It cannot be used, or must not.
    """
    facts = ask_patiently(read, url, patience)
    if refusal := refusal_of(facts, allow_eviction=allow_eviction):
        raise StartRefused(refusal)
    return facts
