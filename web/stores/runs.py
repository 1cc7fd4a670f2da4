"""Runs in Redis, as the web sees them: accepted, looked at, stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis

from web.errors import NotFound
from web.stores.client import run_script
from worker.contract import codec, keys, scripts
from worker.contract.approvals import Approval, Verdict, read_approvals
from worker.contract.errors import DecodeError
from worker.contract.run import FINISHED_STATES, RunRecord, RunState, decode_run
from worker.contract.scripts import TaggedDraft

#: A client that tries again does so within minutes; a day covers a laptop that slept.
_REQUEST_LIFE_MS = 86_400_000

_KEYS_OF_A_RUN = (keys.run, keys.log, keys.journal, keys.approvals, keys.delivery)


def read_row(run_id: str, fields: Sequence[str], row: Sequence[bytes | None]) -> RunRecord | None:
    """Make a record of what HMGET gave for these fields, without its message; None when it is gone or unreadable."""
    found = {name.encode(): value for name, value in zip(fields, row, strict=True) if value is not None}
    try:
        return decode_run(run_id, {**found, b"message": b""}) if found else None
    except DecodeError:
        return None


class RunStore:
    """Every method is one or two round trips and blocks for them."""

    def __init__(self, client: Redis, *, retention_ms: int) -> None:
        self._client = client
        self._retention_ms = retention_ms

    def find(self, run_id: str) -> RunRecord | None:
        """Read a run; None when there is none."""
        fields: Any = self._client.hgetall(keys.run(run_id))
        return decode_run(run_id, fields) if fields else None

    def owned(self, run_id: str, user_id: str) -> RunRecord:
        """Read a run of this user.

        Raises:
            NotFound: There is none, or it is someone else's.
        """
        record = self.find(run_id)
        if record is None or record.user_id != user_id:
            raise NotFound("There is no such run.")
        return record

    def find_all(self, run_ids: list[str]) -> list[RunRecord]:
        """Read these runs in order, without those that are no longer kept."""
        with self._client.pipeline(transaction=False) as pipe:
            for run_id in run_ids:
                pipe.hgetall(keys.run(run_id))
            found = pipe.execute()
        return [decode_run(run_id, fields) for run_id, fields in zip(run_ids, found, strict=True) if fields]

    def requested(self, user_id: str, idempotency_key: str) -> str | None:
        """Say which run an idempotency key stands for; None when the key is new."""
        value: Any = self._client.get(keys.user_request(user_id, idempotency_key))
        return value.decode() if value else None

    def reserve(self, user_id: str, idempotency_key: str, run_id: str) -> str:
        """Let an idempotency key stand for `run_id`, unless it stands for another; answers the one it stands for."""
        key = keys.user_request(user_id, idempotency_key)
        if self._client.set(key, run_id, nx=True, px=_REQUEST_LIFE_MS):
            return run_id
        return self.requested(user_id, idempotency_key) or run_id

    def create(
        self,
        *,
        run_id: str,
        thread_id: str,
        user_id: str,
        agent: str,
        message: str,
        queue: str,
        traceparent: str = "",
    ) -> RunRecord:
        """Store a queued run and list it as unfinished. A repeat with the same id gives the run that is there."""
        call = scripts.create(
            run_id=run_id,
            thread_id=thread_id,
            user_id=user_id,
            agent=agent,
            message=message,
            queue=queue,
            traceparent=traceparent,
        )
        run_script(self._client, call)
        record = self.owned(run_id, user_id)
        # Not for a later state: the worker may have taken the run off these lists already.
        if record.state is RunState.QUEUED:
            self._list_unfinished(record)
        return record

    def count_unfinished(self) -> int:
        """Count the unfinished runs of all users."""
        count: Any = self._client.zcard(keys.RUNS_LIVE)
        return int(count)

    def count_unfinished_of(self, user_id: str, *, limit: int) -> int:
        """Count a user's unfinished runs; exact once the list, which may hold finished runs, is longer than `limit`."""
        listed: Any = self._client.zcard(keys.user_live(user_id))
        count = int(listed)
        return count if count < limit else count - self._unlist_finished(user_id)

    def cancel(self, record: RunRecord, *, by: str) -> RunState:
        """Store the wish to stop; answers the state after it. See `scripts.cancel`.

        Raises:
            NotFound: The run's retention has ended.
        """
        answer = run_script(self._client, scripts.cancel(record.run_id, by=by)).decode()
        if answer == "missing":
            raise NotFound("There is no such run.")
        return RunState(answer)

    def approvals(self, run_id: str) -> dict[str, Approval]:
        """Read what a run asks or has asked a person, by tool call."""
        fields: Any = self._client.hgetall(keys.approvals(run_id))
        return read_approvals(fields)

    def decide(self, record: RunRecord, call_id: str, verdict: Verdict, resolved: TaggedDraft) -> list[str]:
        """Store the first decision; answers as `scripts.decide` does, as text."""
        decision = codec.encode(verdict)
        call = scripts.decide(
            record.run_id, call_id, by="person", decision=decision, attempt=record.attempt, resolved=resolved
        )
        return [part.decode() for part in run_script(self._client, call)]

    def delete(self, records: list[RunRecord]) -> None:
        """Remove finished runs with their logs; large tool results lose their way in and age out."""
        for record in records:
            self._client.unlink(*(build(record.run_id) for build in _KEYS_OF_A_RUN))
            self._unlist(record)

    def _list_unfinished(self, record: RunRecord) -> None:
        with self._client.pipeline(transaction=True) as pipe:
            pipe.zadd(keys.RUNS_LIVE, {record.run_id: record.created_at})
            pipe.zadd(keys.user_live(record.user_id), {record.run_id: record.created_at})
            pipe.execute()

    def _unlist(self, record: RunRecord) -> None:
        with self._client.pipeline(transaction=True) as pipe:
            pipe.zrem(keys.RUNS_LIVE, record.run_id)
            pipe.zrem(keys.user_live(record.user_id), record.run_id)
            pipe.execute()

    def _unlist_finished(self, user_id: str) -> int:
        listed: Any = self._client.zrange(keys.user_live(user_id), 0, -1)
        with self._client.pipeline(transaction=False) as pipe:
            for run_id in listed:
                pipe.hget(keys.run(run_id.decode()), "state")
            states = pipe.execute()
        # A run whose record is gone has no state and is as finished as one can be.
        pairs = zip(listed, states, strict=True)
        stale = [run_id for run_id, state in pairs if not state or state.decode() in FINISHED_STATES]
        if stale:
            self._client.zrem(keys.user_live(user_id), *stale)
        return len(stale)
