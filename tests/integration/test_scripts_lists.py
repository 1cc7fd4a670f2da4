"""What is not of one run: the queue of a thread, who sweeps, and marks on records, by the scripts on a real server."""

from __future__ import annotations

import threading

import pytest
import redis

from tests.support.runs import RUN, THREAD, change, create, queue_of, read, server_ms
from tests.support.waiting import wait_until
from tests.support.web import StoryWriter
from web.stores.client import run_script
from worker.contract import keys, scripts

TERM_MS = 300
GAP_MS = 1_000
QUIET_MS = 500


@pytest.fixture
def client(bytes_client: redis.Redis) -> redis.Redis:
    return bytes_client


def enqueue(client: redis.Redis, run_id: str, *, life_ms: int = 60_000) -> int:
    return int(run_script(client, scripts.enqueue(THREAD, run_id, life_ms=life_ms)))


def elect(client: redis.Redis, reaper_id: str, *, term_ms: int = TERM_MS, gap_ms: int = GAP_MS) -> list[int]:
    """Answers: is it elected, now, the moment from which leases count."""
    call = scripts.elect(reaper_id, term_ms=term_ms, gap_ms=gap_ms, quiet_ms=QUIET_MS)
    return [int(part) for part in run_script(client, call)]


def test_runs_go_in_the_order_in_which_they_came(client: redis.Redis) -> None:
    assert [enqueue(client, run) for run in ("run_c", "run_a", "run_b")] == [0, 1, 2]
    assert queue_of(client) == ["run_c", "run_a", "run_b"]


def test_a_run_is_put_into_the_queue_once(client: redis.Redis) -> None:
    enqueue(client, "run_a")
    enqueue(client, "run_b")

    assert [enqueue(client, run) for run in ("run_b", "run_a")] == [1, 0]
    assert queue_of(client) == ["run_a", "run_b"]


def test_runs_that_come_at_one_moment_each_have_a_place(client: redis.Redis) -> None:
    places: list[int] = []
    coming = [threading.Thread(target=lambda n=n: places.append(enqueue(client, f"run_{n % 6}"))) for n in range(12)]
    for one in coming:
        one.start()
    for one in coming:
        one.join()

    assert sorted(places) == sorted([*range(6), *range(6)])
    assert len(set(queue_of(client))) == len(queue_of(client)) == 6


def test_a_queue_ages_from_the_last_run_that_came(client: redis.Redis) -> None:
    enqueue(client, "run_a", life_ms=1_000)
    enqueue(client, "run_a", life_ms=50_000)

    assert 1_000 < client.pttl(keys.thread_queue(THREAD)) <= 50_000


def test_one_process_sweeps_at_a_time(client: redis.Redis) -> None:
    assert elect(client, "one", term_ms=60_000)[0] == 1

    assert elect(client, "two")[0] == 0
    assert elect(client, "one", term_ms=60_000)[0] == 1


def test_of_many_that_want_to_sweep_one_does(client: redis.Redis) -> None:
    elected: list[int] = []
    candidates = [
        threading.Thread(target=lambda n=n: elected.append(elect(client, f"p{n}", term_ms=60_000)[0])) for n in range(8)
    ]
    for candidate in candidates:
        candidate.start()
    for candidate in candidates:
        candidate.join()

    assert sorted(elected) == [0] * 7 + [1]


def test_another_process_sweeps_once_the_term_of_the_one_before_is_over(client: redis.Redis) -> None:
    elect(client, "dead")

    wait_until(lambda: elect(client, "other", term_ms=60_000)[0], what="the term is over")
    assert elect(client, "dead")[0] == 0


def test_the_first_sweep_leaves_leases_alone_for_a_moment(client: redis.Redis) -> None:
    """Nobody knows how long nobody looked: those that hold leases may need to renew first."""
    _, now, quiet_until = elect(client, "one")

    assert abs(now - server_ms(client)) < 5_000
    assert quiet_until == now + QUIET_MS


def test_leases_count_again_after_that_moment_while_the_sweeps_follow_each_other(client: redis.Redis) -> None:
    first = elect(client, "one")

    def counts() -> bool:
        _, now, quiet_until = elect(client, "one", gap_ms=60_000)
        assert quiet_until == first[2]
        return now >= quiet_until

    wait_until(counts, what="leases count")


def test_after_a_gap_in_the_sweeping_leases_are_left_alone_again(client: redis.Redis) -> None:
    elect(client, "one")
    change_reaper = {"swept_at": server_ms(client) - GAP_MS - 1, "quiet_until": 0}
    client.hset(keys.REAPER, mapping=change_reaper)  # type: ignore[arg-type]

    _, now, quiet_until = elect(client, "one")

    assert quiet_until == now + QUIET_MS


def test_who_is_not_elected_is_told_of_no_moment_and_moves_none(client: redis.Redis) -> None:
    elect(client, "one", term_ms=60_000)
    swept_at = client.hget(keys.REAPER, "swept_at")

    assert elect(client, "two")[2] == 0
    assert client.hget(keys.REAPER, "swept_at") == swept_at


@pytest.mark.parametrize("field", ["rung_at", "queued_at"])
def test_the_servers_time_is_noted_in_a_queued_run(client: redis.Redis, field: str) -> None:
    create(client)
    change(client, queued_at=5)

    assert run_script(client, scripts.touch(RUN, field)) == 1  # type: ignore[arg-type]
    assert abs(getattr(read(client), field) - server_ms(client)) < 5_000


def test_nothing_is_noted_in_a_run_that_does_not_wait_for_a_worker(client: redis.Redis) -> None:
    create(client)
    StoryWriter(client, RUN).claim()

    assert run_script(client, scripts.touch(RUN, "rung_at")) == 0
    assert read(client).rung_at == 0


def test_a_note_never_makes_a_record(client: redis.Redis) -> None:
    assert run_script(client, scripts.touch("run_ghost", "rung_at")) == 0
    assert not client.exists(keys.run("run_ghost"))
