"""Reads of runs' records and logs, and what viewers have shown of them, on the relay's event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from web.relay.errors import HistoryUnavailable, RunMissing
from web.relay.feed import Read
from web.relay.limits import RelayLimits
from web.relay.receipts import Receipt
from web.relay.ring import LoggedEvent, Page, read_event
from worker.contract import keys, scripts
from worker.contract.codec import ENTRY_FIELD
from worker.contract.connections import RELAY_SPARE
from worker.contract.errors import DecodeError

logger = logging.getLogger(__name__)

_AUDIT_CHUNK = 500


class Owner(NamedTuple):
    """Whose run it is, and where it is traced; see `tracing`."""

    user_id: str
    traceparent: str


class Top(NamedTuple):
    """The newest event of a run, as its record names it."""

    seq: int
    cursor: str


class History:
    """Reads through a small pool; at most `limits.concurrent_reads` at once, the others wait their turn.

    Everything is tried twice: a read or an ack may be repeated without harm, and a connection that Redis has closed
    meanwhile is no reason to make a viewer wait.
    """

    def __init__(self, redis_url: str, limits: RelayLimits) -> None:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            redis_url,
            max_connections=limits.concurrent_reads + RELAY_SPARE,
            timeout=limits.redis_seconds,
            socket_timeout=limits.redis_seconds,
            socket_connect_timeout=limits.redis_seconds,
            retry=Retry(NoBackoff(), 1),
            protocol=2,
        )
        self._client: redis.asyncio.Redis = redis.asyncio.Redis.from_pool(pool)
        self._turns = asyncio.Semaphore(limits.concurrent_reads)

    async def owner(self, run_id: str) -> Owner | None:
        """Say whose run it is; None if there is no such run.

        Raises:
            HistoryUnavailable: Redis did not answer.
        """
        async with self._turns:
            with _translated():
                user_id, traceparent = await self._command("HMGET", keys.run(run_id), "user_id", "traceparent")
        return Owner(user_id.decode(), (traceparent or b"").decode()) if user_id is not None else None

    async def read(self, run_id: str, read: Read) -> Page:
        """Read a part of a run's log.

        Raises:
            HistoryUnavailable: Redis did not answer.
            RunMissing: The run has no record.
        """
        async with self._turns:
            with _translated():
                # In one step, so that an empty log is never that of a server which is being emptied.
                pipeline = self._client.pipeline(transaction=True)
                pipeline.execute_command("HMGET", keys.run(run_id), "last_seq", "last_cursor", "user_id")
                if read.start is None:
                    pipeline.xrevrange(keys.log(run_id), count=read.limit)
                else:
                    pipeline.xrange(keys.log(run_id), min=f"{read.start}-0", count=read.limit)
                record, entries = await pipeline.execute()
        top = _read_top(record)
        if top is None:
            raise RunMissing(f"run {run_id} has no record")
        if read.start is None:
            entries.reverse()
        return Page(list(_events(run_id, entries)), len(entries) == read.limit, top.seq)

    async def tops(self, run_ids: Sequence[str]) -> list[Top | None]:
        """Read the newest event's number and cursor of many runs; None for a run that is gone.

        Raises:
            HistoryUnavailable: Redis did not answer.
        """
        tops: list[Top | None] = []
        for start in range(0, len(run_ids), _AUDIT_CHUNK):
            pipeline = self._client.pipeline(transaction=False)
            for run_id in run_ids[start : start + _AUDIT_CHUNK]:
                pipeline.execute_command("HMGET", keys.run(run_id), "last_seq", "last_cursor", "user_id")
            with _translated():
                tops += map(_read_top, await pipeline.execute())
        return tops

    async def publish(self, channel: str, text: str) -> None:
        """Publish on a channel of this process's own.

        Raises:
            HistoryUnavailable: Redis did not answer.
        """
        with _translated():
            await self._command("PUBLISH", channel, text)

    async def acknowledge(self, receipts: Sequence[Receipt]) -> None:
        """Store how far viewers have been shown their runs; one for a run that is not its user's changes nothing.

        Raises:
            HistoryUnavailable: Redis did not answer, or refused one of them.
        """
        pipeline = self._client.pipeline(transaction=False)
        pipeline.script_load(scripts.load("ack").source)
        for run_id, (user_id, viewer_id), seq in receipts:
            call = scripts.ack(run_id, user_id=user_id, viewer=viewer_id, seq=seq)
            pipeline.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
        with _translated():
            await pipeline.execute()

    async def close(self) -> None:
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    async def _command(self, *command: str) -> Any:
        return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError, RuntimeError) as error:
        # RuntimeError: uvloop's for a write to a connection that has just been closed.
        raise HistoryUnavailable(f"Redis did not answer: {error}") from error


def _events(run_id: str, entries: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> Iterator[LoggedEvent]:
    for entry_id, fields in entries:
        try:
            yield read_event(fields[ENTRY_FIELD])
        except (DecodeError, KeyError):
            # The viewers see a hole here, and a reset says so.
            logger.error("unreadable entry", extra={"action": "entry_skipped", "run_id": run_id, "entry_id": entry_id})


def _read_top(fields: Sequence[bytes | None]) -> Top | None:
    seq, cursor, user_id = fields
    if user_id is None:
        return None
    return Top(int(seq or 0), (cursor or b"").decode())
