"""What a worker says of itself with each sign of life, for operators: the JSON at `keys.worker_about`."""

from __future__ import annotations

import msgspec

#: A worker that was killed is shown as gone for this long, then forgotten.
FORGET_WORKER_MS = 60_000
#: Longer than a worker is listed, so that one that is shown can be told of.
ABOUT_LIFE_MS = FORGET_WORKER_MS + 15_000


class WorkerAbout(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of one worker process. Unknown fields of newer workers are passed over."""

    host: str
    pid: int
    version: str
    #: When it started, Unix milliseconds.
    since: int
    concurrency: int
    #: Runs that it works on at this moment.
    runs: int
    queues: list[str]
    #: True when it begins nothing new, because it stops.
    draining: bool
