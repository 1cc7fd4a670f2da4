"""The figures that no process counts: how the runs of the whole system stand, as Redis has them.

One look costs two round trips and reads at most `MOST_RUNS` records, whoever asks how often.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from web.figures.exposition import Exposition
from web.stores.client import run_commands, to_ms
from web.stores.runs import read_row
from worker.contract import keys
from worker.contract.commands import DEFAULT_QUEUE_NAME
from worker.contract.errors import DecodeError
from worker.contract.meters import Command, is_live, read_snapshot
from worker.contract.metrics import (
    LONGEST_SILENCE,
    OLDEST_RUN,
    PROCESSES,
    QUEUE_AGE,
    REDIS_MEMORY,
    REDIS_MEMORY_LIMIT,
    REDIS_UP,
    RUNS_UNFINISHED,
    RUNS_UNREAD,
    RUNS_WITHOUT_WORKER,
    WORKERS,
)
from worker.contract.run import RunRecord, RunState

logger = logging.getLogger(__name__)

#: The oldest: of a longer queue the newest runs change no age, and only the count of those behind them is told.
MOST_RUNS = 1_000
#: What is read of a record.
_FIELDS = (
    *("thread_id", "user_id", "agent", "queue", "state", "created_at", "attempt", "queued_at", "ready_at"),
    *("lease_until", "written_at", "renewed_at", "resume_reason"),
)


def read_system(client: Redis, exposition: Exposition, own: Sequence[Command]) -> None:
    """Store this process's own figures, and read those of all and of the runs.

    Raises:
        redis.exceptions.RedisError: Redis did not answer.
    """
    first: list[Command] = [
        ("TIME",),
        ("SMEMBERS", keys.PROCESSES),
        ("ZCARD", keys.RUNS_LIVE),
        ("ZRANGE", keys.RUNS_LIVE, 0, MOST_RUNS - 1),
        ("ZRANGE", keys.RUNS_LIVE, 0, 0, "WITHSCORES"),
    ]
    *_, time, processes, listed, run_ids, oldest = run_commands(client, [*own, *first])
    now = to_ms(time)
    names = sorted(name.decode() for name in processes)
    second: list[Command] = [("ZCOUNT", keys.WORKERS, now - keys.WORKER_SILENCE_MS, "+inf")]
    for name in names:
        second += [("GET", keys.figures(name)), ("PTTL", keys.figures(name))]
    second += [("HMGET", keys.run(run_id.decode()), *_FIELDS) for run_id in run_ids]
    workers, *rest = run_commands(client, second)
    exposition.set(REDIS_UP, 1)
    exposition.set(WORKERS, workers)
    exposition.set(RUNS_UNREAD, max(0, listed - len(run_ids)))
    exposition.set(OLDEST_RUN, _age(now, int(oldest[0][1])) if oldest else 0)
    gone = _show_processes(exposition, names, rest)
    rows = zip(run_ids, rest[2 * len(names) :], strict=True)
    records = [read_row(run_id.decode(), _FIELDS, row) for run_id, row in rows]
    show_runs(exposition, [record for record in records if record is not None and not record.is_finished], now)
    _show_memory(client, exposition)
    if gone:
        # One that comes back puts itself on the list again.
        run_commands(client, [("SREM", keys.PROCESSES, *gone)])


def show_runs(exposition: Exposition, records: Sequence[RunRecord], now: int) -> None:
    """Tell how unfinished runs stand at the server's time `now`, in ms."""
    # Records of older versions name none.
    queues = sorted({_queue_of(record) for record in records} | {DEFAULT_QUEUE_NAME})
    states: Counter[tuple[str, str]] = Counter((record.state, _queue_of(record)) for record in records)
    waits = dict.fromkeys(queues, 0.0)
    silences = [0.0]
    without_worker = 0
    for record in records:
        is_running = record.state is RunState.RUNNING
        if record.state is RunState.QUEUED:
            queue = _queue_of(record)
            waits[queue] = max(waits[queue], _age(now, max(record.queued_at, record.ready_at)))
        if is_running or record.is_left_alone:
            silences.append(_age(now, record.heard_at or now))
        without_worker += record.is_left_alone or (is_running and now >= record.lease_until)
    for queue in queues:
        exposition.set(QUEUE_AGE, waits[queue], queue)
        for state in (RunState.QUEUED, RunState.RUNNING, RunState.WAITING):
            exposition.set(RUNS_UNFINISHED, states[state, queue], state, queue)
    exposition.set(RUNS_WITHOUT_WORKER, without_worker)
    exposition.set(LONGEST_SILENCE, max(silences))


def _show_processes(exposition: Exposition, names: Sequence[str], answers: Sequence[Any]) -> list[str]:
    """Add what each process has counted; returns those that have long ended."""
    gone = []
    live = Counter(web=0, worker=0)
    for place, name in enumerate(names):
        raw, remaining_ms = answers[2 * place : 2 * place + 2]
        if raw is None:
            gone.append(name)
            continue
        has_gauges = is_live(remaining_ms)
        try:
            exposition.add_process(name, read_snapshot(raw), with_gauges=has_gauges)
        except DecodeError:
            logger.warning("unreadable figures", extra={"action": "figures_skipped", "process_id": name})
            continue
        live["web" if name.startswith("web_") else "worker"] += has_gauges
    for kind, count in live.items():
        exposition.set(PROCESSES, count, kind)
    return gone


def _show_memory(client: Redis, exposition: Exposition) -> None:
    try:
        memory: Any = client.info("memory")
    except ResponseError:
        # A managed server may keep INFO to itself.
        return
    exposition.set(REDIS_MEMORY, memory.get("used_memory", 0))
    exposition.set(REDIS_MEMORY_LIMIT, memory.get("maxmemory", 0))


def _queue_of(record: RunRecord) -> str:
    return record.queue or DEFAULT_QUEUE_NAME


def _age(now: int, moment: int) -> float:
    return max(0, now - moment) / 1000
