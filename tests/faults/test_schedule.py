"""Schedules: the same seed gives the same, everything is drawn sooner or later, nothing is drawn that would break more
than is promised to hold.
"""

from __future__ import annotations

import msgspec

from tests.faults.schedule import BEARABLE_LOSSES, KINDS, LAST_FAULT, Fault, Schedule, make_schedule, only


def test_a_seed_gives_the_same_schedule_each_time() -> None:
    assert make_schedule(7) == make_schedule(7)
    assert make_schedule(7) != make_schedule(8)


def test_a_schedule_survives_being_written() -> None:
    schedule = make_schedule(3)

    assert msgspec.json.decode(msgspec.json.encode(schedule), type=Schedule) == schedule


def test_every_kind_of_fault_and_every_agent_comes_up() -> None:
    schedules = [make_schedule(seed) for seed in range(300)]

    assert {fault.kind for schedule in schedules for fault in schedule.faults} == {*KINDS, "rollback"}
    assert len({run.agent for schedule in schedules for run in schedule.runs}) == 6
    assert {viewer.kind for schedule in schedules for viewer in schedule.viewers} == {
        "steady",
        "late",
        "restless",
        "slow",
        "page",
    }
    assert any(run.stop_after is not None for schedule in schedules for run in schedule.runs)


def test_no_run_loses_its_worker_more_often_than_it_can_bear() -> None:
    for seed in range(300):
        losses = [fault for fault in make_schedule(seed).faults if fault.kind in KINDS and KINDS[fault.kind].loses]
        assert len(losses) <= BEARABLE_LOSSES


def test_faults_are_sorted_and_over_soon() -> None:
    for seed in range(100):
        faults = make_schedule(seed).faults
        assert faults
        assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
        assert faults[-1].at <= LAST_FAULT


def test_only_chosen_kinds_are_drawn() -> None:
    for seed in range(50):
        assert make_schedule(seed, kinds=["worker_kill", "redis_kill"]).kinds <= {"worker_kill", "redis_kill"}
    assert make_schedule(1, kinds=["rollback"]).kinds == {"rollback"}


def test_a_test_can_bring_its_own_faults_and_agents() -> None:
    fault = Fault(at=1, kind="worker_kill")

    schedule = only(1, [fault], agents=("talker",), count=3)

    assert schedule.faults == (fault,)
    assert [run.agent for run in schedule.runs] == ["talker"] * 3
