"""Fifty users at once, each with a cookie, a message and a viewer."""

from __future__ import annotations

import pytest

from tests.staging.anywhere.test_events import SUM
from tests.staging.crowd import percentile, watch_many
from tests.staging.report.model import Report
from tests.staging.target import Target

USERS = 50


@pytest.mark.timeout(240)
def test_fifty_users_at_once_each_see_exactly_what_their_log_holds(target: Target, report: Report) -> None:
    seen = watch_many(target, [SUM] * USERS, agent="triage", seconds=180)

    assert seen.violations == []
    assert len(set(seen.run_ids)) == USERS
    waits = seen.first_events
    report.figure("Users at once", USERS)
    report.figure("Events shown to them", seen.events)
    for percent in (50, 95):
        report.figure(
            f"Time to the first event, p{percent}",
            f"{percentile(waits, percent):.2f} s",
            "from sending the message to seeing that the agent has begun, all users at once",
        )
