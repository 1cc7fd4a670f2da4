"""Runs on a real server as the contract's scripts make them, without a web process. Every client answers bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import redis

from tests.support.waiting import wait_until
from web.stores.client import run_script
from worker.contract import codec, keys, scripts
from worker.contract.events import Event
from worker.contract.run import RunRecord, decode_run

RUN = "run_1"
THREAD = "thr_1"
USER = "usr_1"


def create(client: redis.Redis, run_id: str = RUN, *, thread_id: str = THREAD, message: str = "hi") -> bytes:
    """Store a queued run and nothing else."""
    call = scripts.create(run_id=run_id, thread_id=thread_id, user_id=USER, agent="triage", message=message)
    answer: bytes = run_script(client, call)
    return answer


def accept(client: redis.Redis, run_id: str = RUN, *, thread_id: str = THREAD, message: str = "hi") -> None:
    """Store a queued run and list it, as the web does."""
    create(client, run_id, thread_id=thread_id, message=message)
    created_at = read(client, run_id).created_at
    client.zadd(keys.RUNS_LIVE, {run_id: created_at})
    client.zadd(keys.user_live(USER), {run_id: created_at})
    run_script(client, scripts.enqueue(thread_id, run_id, life_ms=60_000))


def read(client: redis.Redis, run_id: str = RUN) -> RunRecord:
    fields: Any = client.hgetall(keys.run(run_id))
    return decode_run(run_id, fields)


def story(client: redis.Redis, run_id: str = RUN) -> list[Event]:
    """The run's events; their ids in the log are their numbers."""
    entries: Any = client.xrange(keys.log(run_id))
    assert [entry_id.decode() for entry_id, _ in entries] == [f"{n}-0" for n in range(1, len(entries) + 1)]
    return [codec.decode(fields[codec.ENTRY_FIELD]) for _, fields in entries]


def listed(client: redis.Redis) -> list[str]:
    """The runs that are listed as unfinished, by age."""
    found: Any = client.zrange(keys.RUNS_LIVE, 0, -1)
    return [run_id.decode() for run_id in found]


def queue_of(client: redis.Redis, thread_id: str = THREAD) -> list[str]:
    """The runs of a thread in the order in which they go."""
    found: Any = client.lrange(keys.thread_queue(thread_id), 0, -1)
    return [run_id.decode() for run_id in found]


def change(client: redis.Redis, run_id: str = RUN, **fields: str | int) -> None:
    """Change a run's record, as time or an accident would."""
    mapping: Any = fields
    client.hset(keys.run(run_id), mapping=mapping)


def server_ms(client: redis.Redis) -> int:
    """The server's clock."""
    seconds, microseconds = client.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


@contextlib.contextmanager
def listening(client: redis.Redis, channel: str) -> Iterator[Callable[[], bytes]]:
    """Follow a channel; gives a function that waits for its next message."""
    untyped: Any = client
    with untyped.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(channel)
        wait_until(lambda: untyped.pubsub_numsub(channel)[0][1] == 1)
        yield lambda: wait_until(listener.get_message)["data"]
