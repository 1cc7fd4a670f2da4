"""What a platform does to its processes now and then: it takes all workers away, and restarts Redis."""

from __future__ import annotations

import time

import pytest

from tests.staging.crowd import watch_many
from tests.staging.platform.platform import Platform
from tests.staging.report.model import Report
from tests.staging.target import Target
from tests.support.client import Client, assert_whole
from tests.support.waiting import wait_until


@pytest.mark.timeout(150)
def test_without_workers_runs_wait_visibly_and_complete_when_workers_are_back(
    client: Client, platform: Platform
) -> None:
    platform.formation.scale("worker", 0)
    run_ids = [client.post_run("2 0.1", agent="walker")["run_id"] for _ in range(5)]
    _, notice = client.follow(run_ids[0], at_most=2)
    waiting = [client.run(run_id)["state"] for run_id in run_ids]
    wait_until(lambda: client.http.get("/readyz").status_code == 503, 30, what="/readyz says that no worker is there")
    page = client.http.get("/").status_code
    platform.formation.scale("worker", 2)

    stories = [client.follow(run_id) for run_id in run_ids]

    assert (notice["type"], notice["data"]["text"]) == ("agent_thinking", "Waiting for a worker.")
    assert waiting == ["queued"] * len(run_ids)
    assert page == 200
    for story in stories:
        assert_whole(story)
        assert story[-1]["type"] == "agent_completed"


@pytest.mark.timeout(150)
def test_a_restart_of_redis_in_the_middle_of_runs_loses_and_repeats_nothing(
    target: Target, platform: Platform, report: Report
) -> None:
    def restart() -> None:
        time.sleep(2)
        platform.redis.stop()
        time.sleep(1)
        platform.redis.start()

    seen = watch_many(target, ["16 0.5"] * 6, agent="walker", seconds=120, meanwhile=restart)

    assert seen.violations == []
    steps = [line for line in platform.counter.read_text().splitlines() if line.split()[0] in seen.run_ids]
    assert len(steps) == len(set(steps)) == 6 * 16
    report.figure(
        "Silence over a restart of Redis", f"{seen.longest_silence:.1f} s", "longest, of 6 runs; Redis was away for 1 s"
    )


def test_a_release_with_a_wrong_setting_fails_in_words(platform: Platform) -> None:
    code, words = platform.formation.try_release({"SECRET_KEY": "", "PORT": "none", "REDIS_TLS_VERIFY": "perhaps"})

    assert code == 1
    for name in ("SECRET_KEY", "PORT", "REDIS_TLS_VERIFY"):
        assert name in words
    assert "Traceback" not in words
