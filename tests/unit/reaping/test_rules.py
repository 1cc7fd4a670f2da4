"""What becomes of a run, row by row of the table in `worker.reaping.rules`."""

from __future__ import annotations

from typing import Any

import pytest

from worker.contract.closing import stopped
from worker.contract.errors import FailureCode
from worker.contract.run import RunRecord, RunState
from worker.reaping.rules import BACKOFF_MS, Action, Close, Decision, ReaperRules, Requeue, Situation, decide

NOW = 1_000_000
RULES = ReaperRules()


def look(
    *, leases_count: bool = True, is_first: bool = True, rules: ReaperRules = RULES, **fields: Any
) -> list[Decision]:
    """Decide on a run with these fields."""
    given: dict[str, Any] = {
        "run_id": "run_1",
        "thread_id": "thr_1",
        "user_id": "usr_1",
        "agent": "triage",
        "message": "hi",
        "created_at": 1,
        **fields,
    }
    return decide(Situation(RunRecord(**given), NOW, leases_count, is_first), rules)


def queued(waited_ms: int = 0, **fields: Any) -> list[Decision]:
    return look(state=RunState.QUEUED, **{"queued_at": NOW - waited_ms, **fields})


def running(**fields: Any) -> list[Decision]:
    return look(
        state=RunState.RUNNING,
        **{"attempt": 1, "lease_until": NOW + 5_000, "progress_until": NOW + 60_000, **fields},
    )


def lapsed(**fields: Any) -> list[Decision]:
    return running(**{"lease_until": NOW, **fields})


def code_of(decisions: list[Decision]) -> str:
    [close] = decisions
    assert isinstance(close, Close)
    assert close.end.failure.retryable
    return str(close.end.failure.code)


@pytest.mark.parametrize("state", [RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED])
def test_a_run_that_has_ended_is_taken_off_the_lists(state: RunState) -> None:
    assert look(state=state, cancel_by="user", lease_until=1) == [Action.RETIRE]


def test_a_run_that_is_well_is_left_alone() -> None:
    assert queued() == []
    assert running() == []
    assert running(cancel_by="user", cancel_at=NOW - RULES.stop_ms) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"state": RunState.QUEUED, "queued_at": NOW},
        {"state": RunState.QUEUED, "queued_at": NOW, "is_first": False},
        {"state": RunState.WAITING},
        {"state": RunState.RUNNING, "lease_until": NOW, "losses": 2},
    ],
)
def test_a_run_that_no_worker_has_is_stopped_when_someone_wished_so(fields: dict[str, Any]) -> None:
    assert look(cancel_by="user", cancel_at=NOW, **fields) == [Close(stopped("user"))]


def test_a_run_whose_worker_does_not_stop_it_is_stopped_over_its_head() -> None:
    assert running(cancel_by="user", cancel_at=NOW - RULES.stop_ms - 1) == [Close(stopped("user"), is_idle=False)]


def test_the_wait_for_a_worker_begins_when_a_run_is_the_first_of_its_thread() -> None:
    assert queued(10**6, is_first=False) == [Action.POSTPONE]


def test_a_new_run_is_rung_for_again_when_its_message_seems_lost() -> None:
    assert queued(RULES.ring_ms, noticed=True) == []
    assert queued(RULES.ring_ms + 1, noticed=True) == [Action.RING]


def test_a_run_that_came_back_into_the_queue_is_rung_for_at_once() -> None:
    assert queued(attempt=1) == [Action.RING]


def test_a_run_is_not_rung_for_before_its_time() -> None:
    assert queued(1_000, attempt=1, ready_at=NOW + 1) == []
    assert queued(1_000, attempt=1, ready_at=NOW) == [Action.RING]


def test_a_run_that_was_rung_for_is_rung_for_again_a_little_later() -> None:
    assert queued(4_000, attempt=1, rung_at=NOW - RULES.ring_ms) == []
    assert queued(4_000, attempt=1, rung_at=NOW - RULES.ring_ms - 1) == [Action.RING]


def test_the_longer_a_run_waits_the_less_often_is_it_rung_for() -> None:
    assert queued(90_000, noticed=True, rung_at=NOW - 30_000) == []
    assert queued(90_000, noticed=True, rung_at=NOW - 30_001) == [Action.RING]


def test_viewers_are_told_once_that_a_run_waits_for_a_worker() -> None:
    assert queued(RULES.notice_ms, rung_at=NOW) == []
    assert queued(RULES.notice_ms + 1, rung_at=NOW) == [Action.NOTICE]
    assert queued(RULES.notice_ms + 1, noticed=True, rung_at=NOW) == []


def test_the_back_off_is_no_wait_for_a_worker() -> None:
    assert queued(30_000, attempt=1, ready_at=NOW - RULES.notice_ms, rung_at=NOW) == []
    assert queued(10**6, attempt=1, ready_at=NOW, rung_at=NOW) == []


def test_viewers_are_told_and_the_bell_is_rung_in_one_go() -> None:
    assert queued(RULES.notice_ms + 1) == [Action.NOTICE, Action.RING]


def test_a_run_that_no_worker_takes_in_time_ends() -> None:
    assert code_of(queued(RULES.queue_timeout_ms + 1)) == FailureCode.NO_WORKER
    assert queued(RULES.queue_timeout_ms, noticed=True, rung_at=NOW) == []


def test_the_words_name_the_time_that_was_waited() -> None:
    [close] = queued(90_001, rules=ReaperRules(queue_timeout_ms=90_000))
    assert isinstance(close, Close)
    assert close.end.failure.message == "No worker took this within 1.5 min. Ask again later."


def test_after_an_outage_queued_runs_are_rung_for_before_they_are_given_up() -> None:
    """Nobody could take them while the server was away."""
    assert queued(10**6, leases_count=False, noticed=True) == [Action.RING]


@pytest.mark.parametrize(("losses", "backoff_ms"), [(0, 0), (1, 2_000)])
def test_a_run_whose_lease_has_lapsed_goes_back_into_the_queue(losses: int, backoff_ms: int) -> None:
    assert lapsed(losses=losses) == [Requeue(backoff_ms)]


def test_the_third_loss_is_the_last() -> None:
    assert code_of(lapsed(losses=2)) == FailureCode.WORKER_LOST
    assert lapsed(losses=2, rules=ReaperRules(max_losses=9)) == [Requeue(10_000)]
    assert lapsed(losses=7, rules=ReaperRules(max_losses=9)) == [Requeue(BACKOFF_MS[-1])]
    assert code_of(lapsed(rules=ReaperRules(max_losses=1))) == FailureCode.WORKER_LOST


def test_a_lapsed_run_is_closed_only_while_nobody_renews() -> None:
    for decisions in (lapsed(losses=2), lapsed(cancel_by="user", cancel_at=NOW)):
        [close] = decisions
        assert isinstance(close, Close)
        assert close.is_idle


@pytest.mark.parametrize("fields", [{}, {"losses": 2}, {"cancel_by": "user", "cancel_at": 1}])
def test_after_an_outage_lapsed_leases_are_left_alone_for_a_moment(fields: dict[str, Any]) -> None:
    assert lapsed(leases_count=False, **fields) == []


def test_a_run_that_makes_no_progress_is_ended_although_its_worker_lives() -> None:
    [close] = running(progress_until=NOW - 1)

    assert isinstance(close, Close)
    assert (close.end.failure.code, close.is_idle) == (FailureCode.STALLED, False)
    assert running(progress_until=NOW) == []


def test_after_an_outage_a_run_is_given_time_to_make_progress() -> None:
    assert running(progress_until=NOW - 1, leases_count=False) == []


def test_a_run_waits_for_a_person_until_the_time_to_decide_is_over() -> None:
    assert look(state=RunState.WAITING, decide_by=NOW + 1) == []
    assert look(state=RunState.WAITING, decide_by=NOW) == [Action.EXPIRE]
    assert look(state=RunState.WAITING, decide_by=NOW, leases_count=False) == [Action.EXPIRE]
