"""Notes how runs ended, for the operators' page: lists that are short, and whose entries name nobody."""

from __future__ import annotations

from worker.contract import keys
from worker.contract.ended import ENDED_LIFE_MS, MAX_ENDED, MAX_FAILED, EndedRun, entry_of
from worker.contract.run import FINISHED_STATES, RunState
from worker.reaping.asks import Commands, Work

_FIELDS = ("state", "created_at", "started_at", "ended_at")


def note_end(run_id: str) -> Work[None]:
    """Note how a run has ended, by its record. May be repeated; a run that is gone or goes on is not noted."""
    [row] = yield Commands([("HMGET", keys.run(run_id), *_FIELDS)])
    state, *times = ((value or b"").decode() for value in row)
    if state not in FINISHED_STATES:
        return
    run = EndedRun(run_id, RunState(state), *(int(time or 0) for time in times))
    commands: list[tuple[str | int, ...]] = [
        ("ZADD", keys.RUNS_ENDED, run.ended_at, entry_of(run)),
        ("ZREMRANGEBYSCORE", keys.RUNS_ENDED, "-inf", run.ended_at - ENDED_LIFE_MS),
        ("ZREMRANGEBYRANK", keys.RUNS_ENDED, 0, -1 - MAX_ENDED),
    ]
    if run.state is RunState.FAILED:
        commands += [
            ("ZADD", keys.RUNS_FAILED, run.ended_at, run_id),
            ("ZREMRANGEBYRANK", keys.RUNS_FAILED, 0, -1 - MAX_FAILED),
        ]
    yield Commands(commands)
