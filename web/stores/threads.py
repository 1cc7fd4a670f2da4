"""Threads in Redis: the ordered runs of one user, and the list of a user's threads."""

from __future__ import annotations

from typing import Any

import msgspec
from redis import Redis

from web.errors import NotFound
from web.stores.client import run_script
from worker.contract import keys, scripts
from worker.contract.clock import now_ms
from worker.contract.run import RunRecord

#: A run is stored and then may wait and work; a thread must not end before its last run has.
_GRACE_MS = 86_400_000
_TITLE_CHARS = 80
#: What a list in a browser can show; older threads stay reachable by their address.
_MAX_LISTED = 200
#: Runs of a thread that are shown, the newest; their answers are read with them.
_MAX_RUNS = 200


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    """A thread as the API shows it. Times are Unix milliseconds."""

    thread_id: str
    title: str
    created_at: int
    #: When its last run was accepted.
    updated_at: int


class ThreadStore:
    """Every method is one or two round trips and blocks for them."""

    def __init__(self, client: Redis, *, retention_ms: int) -> None:
        self._client = client
        self._life_ms = retention_ms + _GRACE_MS

    def owned(self, thread_id: str, user_id: str) -> Thread:
        """Read a thread of this user.

        Raises:
            NotFound: There is none, or it is someone else's.
        """
        with self._client.pipeline(transaction=False) as pipe:
            pipe.hmget(keys.thread(thread_id), "user_id", "title", "created_at")
            pipe.zscore(keys.user_threads(user_id), thread_id)
            (owner, title, created_at), updated_at = pipe.execute()
        if owner is None or owner.decode() != user_id:
            raise NotFound("There is no such thread.")
        return _thread(thread_id, title, created_at, updated_at)

    def add_run(self, record: RunRecord) -> None:
        """Put a run into its thread, which begins with its first run. May be repeated."""
        thread, runs = keys.thread(record.thread_id), keys.thread_runs(record.thread_id)
        threads = keys.user_threads(record.user_id)
        with self._client.pipeline(transaction=True) as pipe:
            pipe.hsetnx(thread, "user_id", record.user_id)
            pipe.hsetnx(thread, "title", title_of(record.message))
            pipe.hsetnx(thread, "created_at", str(record.created_at))
            pipe.zadd(runs, {record.run_id: record.created_at})
            # A repeat of an older run must not move the thread back.
            pipe.zadd(threads, {record.thread_id: record.created_at}, gt=True)
            for key in (thread, runs, threads):
                pipe.pexpire(key, self._life_ms)
            pipe.execute()

    def enqueue(self, record: RunRecord) -> int:
        """Put a run at the end of its thread's queue; answers how many runs go first. May be repeated."""
        call = scripts.enqueue(record.thread_id, record.run_id, life_ms=self._life_ms)
        return int(run_script(self._client, call))

    def queue(self, thread_id: str) -> list[str]:
        """List the runs of a thread that may be unfinished, in the order in which they go."""
        found: Any = self._client.lrange(keys.thread_queue(thread_id), 0, -1)
        return [run_id.decode() for run_id in found]

    def run_ids(self, thread_id: str) -> list[str]:
        """List a thread's runs, oldest first."""
        found: Any = self._client.zrange(keys.thread_runs(thread_id), -_MAX_RUNS, -1)
        return [run_id.decode() for run_id in found]

    def of(self, user_id: str) -> list[Thread]:
        """List a user's threads, newest first; forgets those that have aged out."""
        threads = keys.user_threads(user_id)
        self._client.zremrangebyscore(threads, 0, now_ms() - self._life_ms)
        listed: Any = self._client.zrange(threads, 0, _MAX_LISTED - 1, desc=True, withscores=True)
        with self._client.pipeline(transaction=False) as pipe:
            for thread_id, _ in listed:
                pipe.hmget(keys.thread(thread_id.decode()), "title", "created_at")
            found = pipe.execute()
        return [
            _thread(thread_id.decode(), title, created_at, updated_at)
            for (thread_id, updated_at), (title, created_at) in zip(listed, found, strict=True)
            if created_at is not None
        ]

    def delete(self, thread_id: str, user_id: str) -> None:
        """Remove a thread from the user's list, and its index of runs."""
        with self._client.pipeline(transaction=True) as pipe:
            pipe.zrem(keys.user_threads(user_id), thread_id)
            pipe.unlink(keys.thread(thread_id), keys.thread_runs(thread_id), keys.thread_queue(thread_id))
            pipe.execute()


def title_of(message: str) -> str:
    """Name a thread after its first message: one line, cut."""
    words = " ".join(message[: 4 * _TITLE_CHARS].split())
    return words if len(words) <= _TITLE_CHARS else f"{words[: _TITLE_CHARS - 1].rstrip()}…"


def _thread(thread_id: str, title: bytes | None, created_at: bytes | None, updated_at: float | None) -> Thread:
    created = int(created_at or 0)
    return Thread(
        thread_id=thread_id, title=(title or b"").decode(), created_at=created, updated_at=int(updated_at or created)
    )
