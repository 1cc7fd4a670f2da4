from __future__ import annotations

import pytest

from worker.contract.environment import Environment, SettingsError
from worker.reaping.rules import ReaperRules
from worker.reaping.settings import ReapingSettings


def test_without_settings_the_rules_are_the_defaults() -> None:
    sweep = ReapingSettings.from_env(Environment({})).sweep("web_1", retention_ms=5)

    assert sweep.rules == ReaperRules()
    assert (sweep.reaper_id, sweep.retention_ms, sweep.quiet_ms) == ("web_1", 5, 4_000)


def test_holders_of_leases_have_time_to_renew_after_an_outage() -> None:
    """They renew every 0.3 of a lease."""
    env = Environment({"LEASE_SECONDS": "2", "MAX_LOSSES": "5", "QUEUE_TIMEOUT_SECONDS": "1.5"})

    sweep = ReapingSettings.from_env(env).sweep("web_1", retention_ms=5)

    assert sweep.quiet_ms == 800
    assert (sweep.rules.max_losses, sweep.rules.queue_timeout_ms) == (5, 1_500)


@pytest.mark.parametrize("name", ["LEASE_SECONDS", "MAX_LOSSES", "QUEUE_TIMEOUT_SECONDS"])
def test_nothing_may_be_too_short_to_work(name: str) -> None:
    env = Environment({name: "0"})
    ReapingSettings.from_env(env)

    with pytest.raises(SettingsError, match=f"{name} is 0"):
        env.check()
