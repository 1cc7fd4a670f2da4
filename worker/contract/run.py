"""A run's record: its states, and what the hash at `keys.run` holds."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from worker.contract.errors import DecodeError


class RunState(StrEnum):
    """Where a run is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINISHED_STATES = frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED})


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run as stored. Times are Unix milliseconds; 0 means not yet."""

    run_id: str
    thread_id: str
    user_id: str
    agent: str
    message: str
    state: RunState
    created_at: int
    #: Where it waits for a worker: its agent's queue when it was accepted. Empty in records of older versions.
    queue: str = ""
    #: Its place in a trace, as W3C has it; empty when it is not traced. See `tracing`.
    traceparent: str = ""
    #: Number of the attempt that may write; 0 before the first claim.
    attempt: int = 0
    #: Random per claim: a server that has lost a claim may give its number out again, but not its token.
    token: str = ""
    #: How often a worker was lost over it.
    losses: int = 0
    #: When it last began to wait for a worker.
    queued_at: int = 0
    #: Not taken before this time: the back-off after a loss.
    ready_at: int = 0
    #: When the reaper last rang for it, since it is queued.
    rung_at: int = 0
    #: Whether viewers were told that it waits for a worker, since it is queued.
    noticed: bool = False
    #: Why the next attempt takes over, in words; empty when that is nothing to tell.
    resume_reason: str = ""
    #: Highest event number in the log; 0 while it is empty.
    last_seq: int = 0
    #: Cursor of that event, empty while there is none.
    last_cursor: str = ""
    started_at: int = 0
    #: When the newest attempt began.
    claimed_at: int = 0
    ended_at: int = 0
    #: Who asked for a stop, empty when no one did; and when.
    cancel_by: str = ""
    cancel_at: int = 0
    #: Worker process that holds the lease.
    owner: str = ""
    #: When the lease lapses unless it is renewed.
    lease_until: int = 0
    #: By when the attempt must have written something more, else it counts as stalled.
    progress_until: int = 0
    #: When the attempt last wrote something, and when its worker last renewed the lease.
    written_at: int = 0
    renewed_at: int = 0
    #: While it waits for a person: when the first of the approvals expires that nobody has decided.
    decide_by: int = 0
    #: The final answer as text, kept so that the next run of the thread knows it.
    answer: str = ""
    #: Tokens and calls of the whole run as JSON, empty before the end.
    usage: str = ""
    #: When someone was shown how it ended.
    outcome_seen_at: int = 0

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED_STATES

    @property
    def heard_at(self) -> int:
        """The last sign of life of its newest attempt, in ms; 0 before the first claim."""
        return max(self.written_at, self.renewed_at)

    @property
    def waited_ms(self) -> int:
        """How long it waited for a worker before its newest attempt; only of a claimed run."""
        return max(0, self.claimed_at - max(self.queued_at, self.ready_at))

    @property
    def is_left_alone(self) -> bool:
        """Whether a worker had begun it and gave it up, or was lost: nobody holds it until another one takes it."""
        return self.state is RunState.QUEUED and self.attempt > 0 and bool(self.resume_reason)


def decode_run(run_id: str, fields: Mapping[bytes, bytes]) -> RunRecord:
    """Read a run's hash as HGETALL gives it.

    Fields unknown to this version are ignored, so that an older reader understands a newer writer.

    Raises:
        DecodeError: A field is missing or holds no such value.
    """
    text = {name.decode(): value.decode() for name, value in fields.items()}
    try:
        return msgspec.convert({**text, "run_id": run_id}, RunRecord, strict=False)
    except msgspec.ValidationError as error:
        raise DecodeError(f"the record of run {run_id} is not readable: {error}") from error
