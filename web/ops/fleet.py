"""Worker processes as an operator sees them. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from worker.contract import keys
from worker.contract.worker_about import ABOUT_LIFE_MS, WorkerAbout

#: Workers give a sign of life every 3 s.
_SILENT_MS = 7_000

Life = Literal["alive", "silent", "gone"]


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """One worker process."""

    worker_id: str
    life: Life
    #: Since its last sign of life.
    silent_ms: int
    #: Unfinished runs that name it as theirs at this moment.
    holds: int
    #: What it said of itself then; null when it is of an older version.
    about: WorkerAbout | None


def show(worker_id: str, *, seen_at: int, now: int, raw: bytes | None, life_left_ms: int, holds: int) -> Worker:
    """Show a worker; `raw` is its card and `life_left_ms` how long that is still kept."""
    about = read_about(raw)
    # By the server's clock where that can be; `seen_at` is by the worker's own.
    silent_ms = max(0, ABOUT_LIFE_MS - life_left_ms if about is not None else now - seen_at)
    return Worker(worker_id=worker_id, life=_life(silent_ms), silent_ms=silent_ms, holds=holds, about=about)


def read_about(raw: bytes | None) -> WorkerAbout | None:
    """Read a worker's card; None when there is none, or it cannot be read."""
    try:
        return msgspec.json.decode(raw, type=WorkerAbout) if raw else None
    except msgspec.DecodeError:
        return None


def by_need(workers: list[Worker]) -> list[Worker]:
    """Those that are lost first, then the oldest."""
    order: Mapping[Life, Any] = {"gone": 0, "silent": 1, "alive": 2}
    return sorted(workers, key=lambda worker: (order[worker.life], _since(worker), worker.worker_id))


def _since(worker: Worker) -> int:
    return worker.about.since if worker.about is not None else 0


def _life(silent_ms: int) -> Life:
    if silent_ms > keys.WORKER_SILENCE_MS:
        return "gone"
    return "silent" if silent_ms > _SILENT_MS else "alive"
