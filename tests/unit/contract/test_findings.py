"""The server's limit of connections is held against what the processes take."""

from __future__ import annotations

import pytest

from worker.contract.findings import Finding, judge_connections


@pytest.mark.parametrize(
    ("limit", "processes", "each", "state", "words"),
    [
        (0, 2, 30, "note", "does not say"),
        (10_000, 2, 30, "ok", "takes 10000"),
        (120, 2, 30, "ok", "doubles that to 120"),
        (100, 2, 30, "note", "REDIS_CONNECTIONS=25"),
        (20, 2, 10, "note", "REDIS_CONNECTIONS=10 or a larger plan"),
        (20, 3, 10, "wrong", "a larger plan"),
    ],
)
def test_the_server_s_connections_are_held_against_what_the_processes_may_take(
    limit: int, processes: int, each: int, state: str, words: str
) -> None:
    found = judge_connections(limit, processes, each)

    assert found.state == state
    assert words in found.words


def test_a_finding_is_one_line() -> None:
    assert str(Finding("ok", "scripts")) == "ok     scripts"
    assert str(Finding("wrong", "scripts")) == "wrong  scripts"
