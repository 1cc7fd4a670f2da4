"""What may pass is waited for, what cannot ends a start at once."""

from __future__ import annotations

import pytest

from worker.contract.server import ServerFacts
from worker.contract.starting import Patience, StartRefused, await_server

URL = "redis://host:7000/0"
FIT = ServerFacts("noeviction", appends=True, saves=True)


class Server:
    """Fails so often, then answers."""

    def __init__(self, error: Exception, failures: int, facts: ServerFacts = FIT) -> None:
        self.error = error
        self.failures = failures
        self.facts = facts
        self.asked = 0

    def read(self) -> ServerFacts:
        self.asked += 1
        if self.asked <= self.failures:
            raise self.error
        return self.facts


def start(server: Server, seconds: float) -> tuple[ServerFacts, list[str]]:
    said: list[str] = []
    return await_server(server.read, URL, Patience(seconds, (OSError,), said.append), allow_eviction=False), said


def test_a_server_that_comes_is_waited_for_and_that_is_said_once() -> None:
    facts, said = start(Server(ConnectionRefusedError("refused"), failures=2), seconds=10)

    assert facts == FIT
    assert len(said) == 1
    assert said[0].endswith("Waiting for it.")


def test_a_server_that_does_not_come_ends_the_start() -> None:
    with pytest.raises(StartRefused, match=r"nothing listens there.*Waited 0\.6 s for it \(REDIS_WAIT_SECONDS\)"):
        start(Server(ConnectionRefusedError("refused"), failures=99), seconds=0.6)


def test_no_patience_asks_once() -> None:
    server = Server(ConnectionRefusedError("refused"), failures=1)

    with pytest.raises(StartRefused) as refused:
        start(server, seconds=0)
    assert server.asked == 1
    assert "Waited" not in str(refused.value)


def test_what_cannot_pass_is_not_waited_for() -> None:
    server = Server(PermissionError("not yours"), failures=1)

    with pytest.raises(StartRefused, match="may not be opened"):
        start(server, seconds=600)
    assert server.asked == 1


def test_a_server_that_may_lose_runs_or_is_too_old_ends_the_start() -> None:
    for facts, words in (
        (FIT._replace(eviction_policy="allkeys-lru"), "maxmemory-policy is allkeys-lru"),
        (FIT._replace(version="5.0.14"), r"is version 5\.0\.14; expected 6\.2 or newer"),
    ):
        with pytest.raises(StartRefused, match=words):
            start(Server(OSError(), failures=0, facts=facts), seconds=600)
    assert start(Server(OSError(), failures=0, facts=FIT._replace(version="6.2.0")), seconds=0)[1] == []
