"""The control: an agent as a plain Celery task with late acknowledgement on Redis, as most people would write it.

It runs on the same schedules of killed, frozen and stopped workers, cut broker links and doubled messages, with the
same counting tools. Celery does not promise what is counted here; it shows what the schedules do to a system without a
journal, a lease and a fence.

This module is both the worker's application (`celery -A tests.faults.control worker`) and the measurement.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import redis
from celery import Celery, signals

from tests.faults.counting import counted, read_counter
from tests.faults.fleet import Fleet
from tests.faults.history import History, ToolRan
from tests.faults.inject import Injector
from tests.faults.schedule import Fault, Schedule, make_schedule
from worker.contract.commands import DEFAULT_QUEUE

TASK = "control.run"
TOOLS = 8
TOOL_SECONDS = 0.15
VISIBILITY_SECONDS = 20
#: After the last seed: three times what Celery needs to hand a lost message out again.
_REST_SECONDS = 3 * VISIBILITY_SECONDS
_COMMAND = (
    "celery --quiet -A tests.faults.control worker --pool threads --concurrency 32"
    " --without-gossip --without-mingle --without-heartbeat"
)
_KINDS = ("worker", "all_workers")

app = Celery("control", broker=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_default_queue=DEFAULT_QUEUE,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_SECONDS,
        # Its default would look for lost messages every 100 s only.
        "unacked_restore_interval": 5,
        "max_connections": 60,
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
    },
)


@app.task(name=TASK)  # type: ignore[untyped-decorator]
def run(run_id: str) -> None:
    """The whole agent: eight tools, one after another, each shown; then the end."""
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    for step in range(1, TOOLS + 1):
        call_id = f"t{step}"
        client.xadd(_stream(run_id), {"type": "tool_executing", "call_id": call_id})
        with counted(run_id=run_id, call_id=call_id, key=f"{run_id}:{call_id}", attempt=0, tool="measure"):
            time.sleep(TOOL_SECONDS)
        client.xadd(_stream(run_id), {"type": "tool_completed", "call_id": call_id})
    client.xadd(_stream(run_id), {"type": "agent_completed"})
    client.close()


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def _say_ready(**_: Any) -> None:
    sys.stdout.write('"worker ready"\n')
    sys.stdout.flush()


class Counts(NamedTuple):
    """What became of the runs."""

    seeds: int
    runs: int
    faults: int
    silent: int
    more_than_one_end: int
    tool_calls: int
    #: Finished, and begun again after that.
    repeated: int
    #: Begun more than once, for whatever reason.
    begun_again: int


def run_control(seeds: Iterable[int]) -> str:
    """Play the seeds one after another, let Celery come to rest, and count. Blocks for minutes."""
    schedules = [_only_workers(make_schedule(seed)) for seed in seeds]
    with tempfile.TemporaryDirectory(prefix="control-", ignore_cleanup_errors=True) as name:
        fleet = Fleet(Path(name), webs=0, commands={"worker": _COMMAND})
        try:
            fleet.start()
            names = [run_id for schedule in schedules for run_id in asyncio.run(_play(fleet, schedule))]
            time.sleep(_REST_SECONDS)
            ends = _ends(fleet, names)
            lines = read_counter(fleet.counter)
        finally:
            fleet.stop()
    return _table(count(len(schedules), sum(len(one.faults) for one in schedules), ends, lines))


def count(seeds: int, faults: int, ends: dict[str, int], lines: Sequence[ToolRan]) -> Counts:
    """Count what happened; `ends` says how many last events each run has. Pure."""
    calls: dict[tuple[str, str], list[ToolRan]] = {}
    for line in lines:
        calls.setdefault((line.run_id, line.call_id), []).append(line)
    return Counts(
        seeds=seeds,
        runs=len(ends),
        faults=faults,
        silent=sum(number == 0 for number in ends.values()),
        more_than_one_end=sum(number > 1 for number in ends.values()),
        tool_calls=len(calls),
        repeated=sum(map(_is_repeated, calls.values())),
        begun_again=sum(Counter(line.edge for line in found)["start"] > 1 for found in calls.values()),
    )


def _is_repeated(lines: Sequence[ToolRan]) -> bool:
    first_end = min((line.at for line in lines if line.edge == "end"), default=float("inf"))
    return any(line.edge == "start" and line.at > first_end for line in lines)


def _only_workers(schedule: Schedule) -> Schedule:
    """What is done to workers, their links and their messages; no message is taken away."""
    faults = [fault for fault in schedule.faults if fault.kind.startswith(_KINDS) or fault.kind == "doorbells_doubled"]
    return msgspec.structs.replace(schedule, faults=tuple(faults))


async def _play(fleet: Fleet, schedule: Schedule) -> list[str]:
    injector = Injector(fleet, History())
    names = [run.name.replace(" ", "-") for run in schedule.runs]
    producer = Celery("control-web", broker=fleet.redis.url, set_as_current=False)
    async with asyncio.TaskGroup() as tasks:
        for planned, name in zip(schedule.runs, names, strict=True):
            tasks.create_task(_later(planned.at, lambda name=name: _send(producer, name)))  # type: ignore[misc]
        for fault in schedule.faults:
            tasks.create_task(_carry_out(injector, fault))
    await asyncio.sleep(TOOLS * TOOL_SECONDS)
    producer.close()
    return names


async def _carry_out(injector: Injector, fault: Fault) -> None:
    await asyncio.sleep(fault.at)
    await injector.carry_out(fault)


async def _later(seconds: float, work: Callable[[], object]) -> None:
    await asyncio.sleep(seconds)
    await asyncio.to_thread(work)


def _send(producer: Celery, name: str) -> None:
    producer.send_task(TASK, args=[name], queue=DEFAULT_QUEUE, ignore_result=True)


def _ends(fleet: Fleet, names: Sequence[str]) -> dict[str, int]:
    with fleet.connect() as client:
        logs: dict[str, Any] = {name: client.xrange(_stream(name)) for name in names}
    return {name: sum(fields[b"type"] == b"agent_completed" for _, fields in log) for name, log in logs.items()}


def _stream(run_id: str) -> str:
    return f"control:{run_id}"


def _table(counts: Counts) -> str:
    rows = [
        ("seeds", counts.seeds),
        ("runs", counts.runs),
        ("faults", counts.faults),
        ("**silent**", counts.silent),
        ("**more than one end**", counts.more_than_one_end),
        ("tool calls", f"{counts.tool_calls:,}"),
        ("**finished tools repeated**", counts.repeated),
        ("tools begun again", counts.begun_again),
    ]
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["| plain late-acknowledging Celery | count |", "|---|---|", *lines])
