"""What is demanded of the Redis server."""

from __future__ import annotations

import pytest

from worker.contract.server import ServerFacts, read_facts, refusal_of, warning_of


def test_a_server_that_keeps_its_keys_and_appends_is_fit() -> None:
    facts = read_facts({"maxmemory_policy": "noeviction", "aof_enabled": 1}, "")

    assert refusal_of(facts, allow_eviction=False) is None
    assert warning_of(facts) is None


def test_a_server_that_may_throw_keys_away_is_refused_unless_that_is_said_to_be_all_right() -> None:
    facts = ServerFacts("allkeys-lru", appends=True, saves=True)

    refusal = refusal_of(facts, allow_eviction=False)
    assert refusal is not None
    assert "allkeys-lru" in refusal
    assert "noeviction" in refusal
    assert refusal_of(facts, allow_eviction=True) is None


@pytest.mark.parametrize(
    ("save", "words"), [("", "persists nothing"), ("3600 1", "since its last snapshot"), (None, "may lose runs")]
)
def test_a_server_without_an_append_only_file_is_warned_of(save: str | None, words: str) -> None:
    facts = read_facts({"maxmemory_policy": "noeviction", "aof_enabled": 0}, save)

    assert words in (warning_of(facts) or "")
