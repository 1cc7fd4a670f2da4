"""How a run ended, as an entry of `keys.RUNS_ENDED`: enough for an operator's charts, and nothing that anyone wrote."""

from __future__ import annotations

from typing import NamedTuple

from worker.contract.errors import DecodeError
from worker.contract.run import FINISHED_STATES, RunState

#: Only the last hour is shown; an entry of a late end must still find its place.
ENDED_LIFE_MS = 2 * 3_600_000
#: Some 4 MB of Redis. More than five ends a second for an hour, and the charts say since when they reach.
MAX_ENDED = 20_000
MAX_FAILED = 500


class EndedRun(NamedTuple):
    """Times are Unix milliseconds; `started_at` 0 means that no worker ever took it."""

    run_id: str
    state: RunState
    created_at: int
    started_at: int
    ended_at: int


def entry_of(run: EndedRun) -> str:
    """Write it as a member of the list, whose score is `ended_at`; the same run gives the same entry."""
    return f"{run.run_id} {run.state} {run.created_at} {run.started_at} {run.ended_at}"


def read_entry(raw: bytes) -> EndedRun:
    """Read a member of the list.

    Raises:
        DecodeError: It is not one, or of a newer writer.
    """
    try:
        run_id, state, *times = raw.decode().split(" ")
        run = EndedRun(run_id, RunState(state), *(int(time) for time in times))
    except (ValueError, TypeError) as error:
        raise DecodeError(f"not the end of a run: {raw[:80]!r}") from error
    if run.state not in FINISHED_STATES:
        raise DecodeError(f"run {run.run_id} is listed as ended and is {run.state}")
    return run
