from __future__ import annotations

import pytest

from worker.contract.environment import Environment


@pytest.mark.parametrize("given", ["-1", "1e9", "nan", "soon"])
def test_a_number_that_is_wrong_is_told_and_the_default_stands_for_it(given: str) -> None:
    """A check of the settings goes on with what it has: it must not wait for years for a server."""
    env = Environment({"REDIS_WAIT_SECONDS": given})

    assert env.number("REDIS_WAIT_SECONDS", 30, high=600) == 30
    assert len(env.problems) == 1
    assert given in env.problems[0]


def test_the_limits_of_a_number_belong_to_it() -> None:
    env = Environment({"LOW": "1", "HIGH": "1000"})

    assert (env.integer("LOW", 5, low=1, high=1000), env.integer("HIGH", 5, low=1, high=1000)) == (1, 1000)
    assert env.problems == []
