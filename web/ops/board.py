"""Everything of the operators' page that is read from Redis; any web process answers the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from redis import Redis

from web.figures.kept import Kept
from web.ops import failures, fleet, live
from web.ops.failures import FailedRun
from web.ops.fleet import Worker
from web.ops.hour import MINUTE_MS, MINUTES, Hour, look_back
from web.ops.live import LiveRun, Totals
from web.stores.client import to_ms
from web.stores.runs import read_row
from worker.contract import codec, keys
from worker.contract.ended import MAX_ENDED, EndedRun, read_entry
from worker.contract.errors import DecodeError
from worker.contract.run import RunRecord

#: Lines of one answer; the totals count all.
MAX_RUNS = 200
MAX_WORKERS = 200
MAX_FAILURES = 50
_PAGE = 500
#: The page asks every 2 s; several operators share one look.
_LOOK_SECONDS = 1.0
#: Ended runs of an hour may be thousands, and a minute's bar changes slowly.
_HOUR_SECONDS = 5.0


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """What goes on now."""

    #: The server's time when it was read, Unix milliseconds.
    at: int
    totals: Totals
    #: Those that most need a look.
    runs: list[LiveRun]
    runs_total: int
    workers: list[Worker]
    workers_total: int
    #: How many of them give signs of life, as `/metrics` counts them.
    workers_present: int
    failures: list[FailedRun]
    failures_total: int


class Board:
    """For use by many OS threads; each look costs some round trips and is shared for a moment."""

    def __init__(self, client: Redis, *, lease_ms: int) -> None:
        self._client = client
        self._lease_ms = lease_ms
        self._overview = Kept(self._look, seconds=_LOOK_SECONDS)
        self._hour = Kept(self._look_back, seconds=_HOUR_SECONDS)

    def overview(self) -> Overview:
        """Say what goes on."""
        return self._overview.get()

    def hour(self) -> Hour:
        """Tell the last hour."""
        return self._hour.get()

    def forget(self) -> None:
        """An operator has changed something and wants to see it."""
        self._overview.forget()

    def now(self) -> int:
        """Give the server's time in Unix milliseconds: leases are measured by it."""
        return to_ms(self._client.time())

    def show(self, record: RunRecord) -> LiveRun:
        """Show one run, whether or not it has ended."""
        return live.show(record, now=self.now(), lease_ms=self._lease_ms)

    def worker(self, worker_id: str) -> Worker | None:
        """Show one worker; None when it is not listed any more."""
        return next((worker for worker in self._workers(self.now(), Counter()) if worker.worker_id == worker_id), None)

    def count_others(self, worker_id: str) -> int:
        """Count the workers that give signs of life, beside this one."""
        workers = self._workers(self.now(), Counter())
        return sum(worker.life == "alive" and worker.worker_id != worker_id for worker in workers)

    def _look(self) -> Overview:
        now = self.now()
        records = [record for record in self._unfinished(live.FIELDS) if not record.is_finished]
        runs = live.by_need(live.show(record, now=now, lease_ms=self._lease_ms) for record in records)
        workers = fleet.by_need(self._workers(now, Counter(run.worker for run in runs)))
        failed, failed_total = self._failures()
        return Overview(
            at=now,
            totals=live.count(runs),
            runs=runs[:MAX_RUNS],
            runs_total=len(runs),
            workers=workers[:MAX_WORKERS],
            workers_total=len(workers),
            workers_present=sum(worker.life != "gone" for worker in workers),
            failures=failed,
            failures_total=failed_total,
        )

    def _unfinished(self, fields: Sequence[str]) -> Iterator[RunRecord]:
        listed: Any = self._client.zrange(keys.RUNS_LIVE, 0, -1)
        run_ids = [run_id.decode() for run_id in listed]
        for start in range(0, len(run_ids), _PAGE):
            yield from self._records(run_ids[start : start + _PAGE], fields)

    def _records(self, run_ids: Sequence[str], fields: Sequence[str]) -> Iterator[RunRecord]:
        """Read these fields of runs, in order; one that is gone or cannot be read is left out."""
        with self._client.pipeline(transaction=False) as pipe:
            for run_id in run_ids:
                pipe.hmget(keys.run(run_id), *fields)
            rows = pipe.execute()
        for run_id, row in zip(run_ids, rows, strict=True):
            if (record := read_row(run_id, fields, row)) is not None:
                yield record

    def _workers(self, now: int, holds: Counter[str]) -> list[Worker]:
        listed: Any = self._client.zrange(keys.WORKERS, 0, -1, withscores=True)
        with self._client.pipeline(transaction=False) as pipe:
            for worker_id, _ in listed:
                pipe.get(keys.worker_about(worker_id.decode()))
                pipe.pttl(keys.worker_about(worker_id.decode()))
            cards = pipe.execute()
        return [
            fleet.show(
                worker_id.decode(),
                seen_at=int(seen_at),
                now=now,
                raw=cards[2 * place],
                life_left_ms=cards[2 * place + 1],
                holds=holds[worker_id.decode()],
            )
            for place, (worker_id, seen_at) in enumerate(listed)
        ]

    def _failures(self) -> tuple[list[FailedRun], int]:
        with self._client.pipeline(transaction=False) as pipe:
            pipe.zrange(keys.RUNS_FAILED, 0, MAX_FAILURES - 1, desc=True)
            pipe.zcard(keys.RUNS_FAILED)
            listed, total = pipe.execute()
        records = list(self._records([run_id.decode() for run_id in listed], failures.FIELDS))
        with self._client.pipeline(transaction=False) as pipe:
            for record in records:
                pipe.xrevrange(keys.log(record.run_id), count=1)
            ends = pipe.execute()
        found = [
            failures.show(record, end[0][1].get(codec.ENTRY_FIELD) if end else None)
            for record, end in zip(records, ends, strict=True)
        ]
        # Those of users who have deleted their thread, or whose retention is over, are gone.
        gone = {run_id.decode() for run_id in listed} - {record.run_id for record in records}
        if gone:
            self._client.zrem(keys.RUNS_FAILED, *gone)
        return found, int(total) - len(gone)

    def _look_back(self) -> Hour:
        now = self.now()
        since = (now // MINUTE_MS - MINUTES + 1) * MINUTE_MS
        with self._client.pipeline(transaction=False) as pipe:
            pipe.zrangebyscore(keys.RUNS_ENDED, since, "+inf")
            pipe.zcard(keys.RUNS_ENDED)
            entries, kept = pipe.execute()
        waits = ((record.created_at, record.started_at) for record in self._unfinished(_WAIT_FIELDS))
        is_cut = kept >= MAX_ENDED and kept == len(entries)
        return look_back(list(_read_all(entries)), waits, now=now, is_cut=is_cut)


#: The least of which a record can be made, and when a worker began.
_WAIT_FIELDS = ("thread_id", "user_id", "agent", "state", "created_at", "started_at")


def _read_all(entries: Iterable[bytes]) -> Iterator[EndedRun]:
    for raw in entries:
        with suppress(DecodeError):
            yield read_entry(raw)
