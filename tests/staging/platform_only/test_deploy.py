"""A deploy in the middle of twenty runs is a pause for those who watch, and nothing else."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from tests.staging.crowd import watch_many
from tests.staging.platform.parts import Plan
from tests.staging.platform.platform import Platform
from tests.staging.report.model import Report
from tests.staging.target import Target
from tests.support.client import Client

RUNS = 20
#: Of 1 s each: more than bringing the new processes up takes on a busy machine.
STEPS = 45
#: No viewer may be without a connection for longer.
CUT_SECONDS = 10.0
_KNOCK_SECONDS = 0.25


class Knocking:
    """Somebody who sends a message several times a second, whatever is going on."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._is_over = threading.Event()
        self._os_thread = threading.Thread(target=self._knock, name="knocking", daemon=True)
        self.answers: Counter[int] = Counter()

    def __enter__(self) -> Knocking:
        self._os_thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._os_thread.join()

    def _knock(self) -> None:
        while not self._is_over.wait(_KNOCK_SECONDS):
            self.answers[self._client.http.get("/api/threads").status_code] += 1


@pytest.mark.timeout(240)
def test_a_deploy_in_the_middle_of_twenty_runs(
    target: Target, platform: Platform, client: Client, report: Report
) -> None:
    before = {member.process.pid for member in platform.formation.members}
    took: list[float] = []

    def deploy() -> None:
        # So that every run has begun.
        time.sleep(3)
        begun = time.monotonic()
        platform.formation.deploy(Plan())
        took.append(time.monotonic() - begun)

    with Knocking(client) as knocking:
        messages = [f"{STEPS} 1.0"] * RUNS
        seen = watch_many(target, messages, agent="walker", seconds=200, meanwhile=deploy, restarts=True)

    report.figure(
        "Longest time without a connection", f"{seen.longest_cut:.2f} s", f"in a deploy; at most {CUT_SECONDS:g} s"
    )
    report.figure(
        "Longest time between two events of a run", f"{seen.longest_silence:.2f} s", "in a deploy; a step takes 1 s"
    )
    report.figure("Deploy", f"{took[0]:.1f} s", "until the old processes had ended")
    assert seen.violations == []
    # The deploy was in the middle: every run changed its worker, every viewer its web process.
    assert min(seen.attempts) >= 2
    assert seen.cuts >= RUNS
    assert before.isdisjoint(member.process.pid for member in platform.formation.members)
    assert platform.formation.killed == []
    steps = Counter(line for line in platform.counter.read_text().splitlines() if line.split()[0] in seen.run_ids)
    assert set(steps.values()) == {1}
    assert len(steps) == RUNS * STEPS
    assert seen.longest_cut <= CUT_SECONDS
    assert set(knocking.answers) == {200}
    report.figure("Requests during the deploy", knocking.answers.total(), "all of them answered with 200")
