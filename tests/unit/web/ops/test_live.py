"""What an operator is told of an unfinished run, by its record and the server's clock."""

from __future__ import annotations

from typing import Any

import msgspec

from web.ops import live
from web.ops.live import LiveRun
from worker.contract.run import RunRecord

NOW = 1_000_000
LEASE_MS = 10_000


def show(**fields: Any) -> LiveRun:
    known = {"run_id": "run_1", "thread_id": "t", "user_id": "u", "agent": "a", "message": "secret"}
    times = {"state": "running", "created_at": NOW - 60_000}
    record = msgspec.convert({**known, **times, **fields}, RunRecord)
    return live.show(record, now=NOW, lease_ms=LEASE_MS)


def running(silent: int, **fields: Any) -> LiveRun:
    renewed_at = NOW - silent
    return show(renewed_at=renewed_at, lease_until=renewed_at + LEASE_MS, owner="w1", attempt=1, **fields)


def test_a_run_is_held_while_its_worker_renews() -> None:
    run = running(2_000, written_at=NOW - 1_500)

    assert (run.hold, run.silent_ms, run.lease_left_ms, run.quiet_ms) == ("held", 2_000, 8_000, 1_500)


def test_a_run_whose_worker_is_silent_is_told_before_its_lease_lapses() -> None:
    assert running(6_000).hold == "silent"
    assert (running(12_000).hold, running(12_000).silent_ms, running(12_000).lease_left_ms) == ("lapsed", 12_000, 0)


def test_a_record_of_an_older_version_has_only_its_lease() -> None:
    assert show(lease_until=NOW + 4_000, owner="w1", attempt=1).silent_ms == 6_000


def test_a_run_that_lost_its_worker_tells_how_long_it_is_silent_until_the_next_takes_it() -> None:
    run = show(
        state="queued", attempt=1, losses=1, resume_reason="It was lost.", renewed_at=NOW - 12_000, queued_at=NOW
    )

    assert (run.hold, run.silent_ms, run.waited_ms) == ("none", 12_000, 0)


def test_a_new_run_waits_and_is_not_silent() -> None:
    run = show(state="queued", queued_at=NOW - 5_000)

    assert (run.hold, run.silent_ms, run.waited_ms) == ("none", 0, 5_000)


def test_a_wait_begins_when_the_back_off_is_over() -> None:
    assert show(state="queued", queued_at=NOW - 5_000, ready_at=NOW + 1_000).waited_ms == 0


def test_what_needs_a_look_comes_first() -> None:
    new = show(run_id="new", state="queued", queued_at=NOW)
    person = show(run_id="person", state="waiting", decide_by=NOW + 5_000)
    lost = show(run_id="lost", state="queued", attempt=1, resume_reason="It was lost.", renewed_at=NOW - 12_000)
    well, stopping = running(1_000, run_id="well"), running(1_000, run_id="stopping", cancel_by="user")
    silent, lapsed = running(6_000, run_id="silent"), running(12_000, run_id="lapsed")
    runs = [person, new, well, stopping, lost, silent, lapsed]

    order = [run.run_id for run in live.by_need(runs)]
    assert order == ["lapsed", "silent", "lost", "stopping", "well", "new", "person"]
    totals = live.count(runs)
    assert (totals.queued, totals.running, totals.waiting) == (2, 4, 1)
    assert totals.stopping == 1


def test_without_a_worker_is_what_metrics_call_so_too() -> None:
    """A silent worker may still be there, and has its runs until their leases lapse; `outloud_runs_without_worker`."""
    new = show(state="queued", queued_at=NOW)
    given_back = show(state="queued", attempt=1, resume_reason="It was lost.", renewed_at=NOW - 12_000)

    totals = live.count([new, given_back, running(1_000), running(6_000), running(7_000), running(12_000)])

    assert totals.without_worker == 2


def test_the_longest_wait_is_told() -> None:
    runs = [show(state="queued", queued_at=NOW - wait) for wait in (5_000, 9_000)]

    assert live.count(runs).oldest_wait_ms == 9_000
    assert live.count([]).oldest_wait_ms == 0


def test_nothing_that_was_written_is_shown() -> None:
    assert "secret" not in str(running(0))
