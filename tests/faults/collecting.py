"""What is there at the end: the runs as Redis holds them, and what the processes hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import redis

from tests.faults.fleet import Fleet
from tests.faults.history import FinalRun, Resources
from worker.contract import keys
from worker.contract.codec import ENTRY_FIELD

_PROC = Path("/proc")


def final_runs(client: redis.Redis, user_id: str) -> Iterator[FinalRun]:
    """Every run of this user."""
    for key in client.scan_iter(match=keys.run("*"), count=1000):
        record = _text(client.hgetall(key))
        if record.get("user_id") == user_id:
            run_id = key.decode().partition("}")[0].removeprefix("{")
            yield FinalRun(run_id=run_id, run=record["message"], record=record, log=tuple(_log(client, run_id)))


def is_over(client: redis.Redis, run_id: str) -> bool:
    """Whether the run has ended, or is gone."""
    state = client.hget(keys.run(run_id), "state")
    return state is None or bytes(state) in (b"completed", b"failed", b"cancelled")  # type: ignore[arg-type]


def resources(fleet: Fleet, moment: Literal["before", "after"]) -> Iterator[Resources]:
    """What each process and Redis hold now."""
    for member in fleet.members:
        pids = list(_family(member.pid)) if member.pid else []
        held = {"fds": sum(map(_descriptors, pids)), "threads": sum(map(_threads, pids))}
        yield Resources(moment=moment, name=member.name, held=held)
    with fleet.connect() as client:
        clients: Any = client.client_list()
        channels: Any = client.pubsub_channels()
        yield Resources(moment=moment, name="redis", held={"clients": len(clients), "channels": len(channels)})


def _log(client: redis.Redis, run_id: str) -> Iterator[dict[str, Any]]:
    entries: Any = client.xrange(keys.log(run_id))
    for _, fields in entries:
        yield json.loads(fields[ENTRY_FIELD])


def _text(fields: Any) -> dict[str, str]:
    return {name.decode(): value.decode(errors="replace") for name, value in fields.items()}


def _family(pid: int) -> Iterator[int]:
    """A process and its children, where the system tells."""
    yield pid
    try:
        children = (_PROC / str(pid) / "task" / str(pid) / "children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _descriptors(pid: int) -> int:
    try:
        return len(list((_PROC / str(pid) / "fd").iterdir()))
    except OSError:
        return 0


def _threads(pid: int) -> int:
    try:
        return len(list((_PROC / str(pid) / "task").iterdir()))
    except OSError:
        return 0
