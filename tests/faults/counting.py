"""Counts what tools really do: a line in a file when one begins and when it ends, whatever becomes of the run.

One `write` on a file opened for appending: lines of many processes do not mix, and a killed process has written what it
has written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from tests.faults.history import ToolRan
from tests.faults.variables import COUNTER

Edge = Literal["start", "end"]


@contextmanager
def counted(*, run_id: str, call_id: str, key: str, attempt: int, tool: str) -> Iterator[None]:
    """Count a call; one that is cut short has no end."""
    count("start", run_id=run_id, call_id=call_id, key=key, attempt=attempt, tool=tool)
    yield
    count("end", run_id=run_id, call_id=call_id, key=key, attempt=attempt, tool=tool)


def count(edge: Edge, *, run_id: str, call_id: str, key: str, attempt: int, tool: str) -> None:
    line = f"{run_id} {call_id} {key or '-'} {edge} {attempt} {tool} {os.getpid()} {time.time():.4f}\n"
    file = os.open(os.environ[COUNTER], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def read_counter(file: Path, *, start: int = 0) -> list[ToolRan]:
    """The lines from byte `start` on."""
    if not file.exists():
        return []
    with file.open("rb") as stream:
        stream.seek(start)
        return [_parse(line) for line in stream.read().decode().splitlines()]


def _parse(line: str) -> ToolRan:
    run_id, call_id, key, edge, attempt, tool, pid, at = line.split(" ")
    return ToolRan(
        at=float(at),
        run_id=run_id,
        call_id=call_id,
        key="" if key == "-" else key,
        edge="start" if edge == "start" else "end",
        attempt=int(attempt),
        tool=tool,
        pid=int(pid),
    )
