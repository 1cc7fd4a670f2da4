"""What happened in one seed, as entries: written by the harness, judged by the checker, kept as JSON lines."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from tests.faults.schedule import Fault, Schedule

E = TypeVar("E", bound="Entry")

#: What a person knows of a request: it was done; it was refused; nobody knows.
Outcome = Literal["done", "refused", "unknown"]


class Entry(msgspec.Struct, frozen=True, kw_only=True, tag_field="entry"):
    """Something at a time (Unix seconds)."""

    at: float = 0.0


class Begun(Entry, frozen=True, kw_only=True, tag="begun"):
    """The seed begins; times in its schedule count from here."""

    schedule: Schedule


class FaultBegun(Entry, frozen=True, kw_only=True, tag="fault_begun"):
    fault: Fault


class FaultEnded(Entry, frozen=True, kw_only=True, tag="fault_ended"):
    """Healed: the link is whole, the process is back and ready."""

    fault: Fault


class ProcessEnded(Entry, frozen=True, kw_only=True, tag="process_ended"):
    name: str
    exit_code: int
    #: False: nobody has killed or stopped it.
    expected: bool
    last_words: str = ""


class Posted(Entry, frozen=True, kw_only=True, tag="posted"):
    """One try to send a message; tries of one message have one idempotency key."""

    run: str
    outcome: Outcome
    status: int = 0
    run_id: str = ""


class StopAsked(Entry, frozen=True, kw_only=True, tag="stop_asked"):
    run_id: str
    outcome: Outcome
    state: str = ""
    seconds: float = 0.0


class Decided(Entry, frozen=True, kw_only=True, tag="decided"):
    run_id: str
    call_id: str
    decision: str
    outcome: Outcome
    status: int = 0


class Subscribed(Entry, frozen=True, kw_only=True, tag="subscribed"):
    """A viewer asks for the events after a cursor. `link` counts its connections from 1."""

    viewer: str
    run_id: str
    after: str
    link: int


class Received(Entry, frozen=True, kw_only=True, tag="received"):
    """An event reached a viewer."""

    viewer: str
    run_id: str
    seq: int
    cursor: str
    digest: str
    terminal: bool
    #: The viewer has shown it; False: it did not fit behind the last one.
    shown: bool


class WasReset(Entry, frozen=True, kw_only=True, tag="was_reset"):
    viewer: str
    run_id: str
    reason: str
    cursor: str


class Refused(Entry, frozen=True, kw_only=True, tag="refused"):
    """An `error` frame."""

    viewer: str
    run_id: str
    code: str


class Closed(Entry, frozen=True, kw_only=True, tag="closed"):
    """A viewer's connection is over; 1006 without a close frame, 0 when the viewer itself closed it."""

    viewer: str
    code: int


class ToolRan(Entry, frozen=True, kw_only=True, tag="tool_ran"):
    """A line of the counter file: a tool's function begins or ends."""

    run_id: str
    call_id: str
    key: str
    edge: Literal["start", "end"]
    #: 0: the tool could not know it.
    attempt: int
    tool: str
    pid: int


class ModelAsked(Entry, frozen=True, kw_only=True, tag="model_asked"):
    """A request to the model: the run's name, which question of the run it is, whether the answer went out whole."""

    run: str
    step: int
    answered: bool


class Quiet(Entry, frozen=True, kw_only=True, tag="quiet"):
    """The end: everything is healed. `in_time`: all runs are over and all viewers have seen it."""

    healed_at: float
    in_time: bool
    open_runs: tuple[str, ...] = ()
    open_viewers: tuple[str, ...] = ()


class FinalRun(Entry, frozen=True, kw_only=True, tag="final_run"):
    """A run as Redis holds it at the end; `log` are its events in order."""

    run_id: str
    run: str
    record: dict[str, str]
    log: tuple[dict[str, Any], ...]


class Resources(Entry, frozen=True, kw_only=True, tag="resources"):
    """What a process holds, or Redis for its clients; `moment` is `before` or `after` the seed."""

    moment: Literal["before", "after"]
    name: str
    held: dict[str, int]


AnyEntry = (
    Begun
    | FaultBegun
    | FaultEnded
    | ProcessEnded
    | Posted
    | StopAsked
    | Decided
    | Subscribed
    | Received
    | WasReset
    | Refused
    | Closed
    | ToolRan
    | ModelAsked
    | Quiet
    | FinalRun
    | Resources
)

_decoder = msgspec.json.Decoder(AnyEntry)


class History:
    """Takes entries from any OS thread, in order."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def add(self, entry: Entry) -> None:
        """Keep an entry; one without a time gets the present one."""
        stamped = entry if entry.at else msgspec.structs.replace(entry, at=time.time())
        with self._lock:
            self._entries.append(stamped)

    @property
    def entries(self) -> Sequence[Entry]:
        with self._lock:
            return tuple(self._entries)


def of(kind: type[E], entries: Iterable[Entry]) -> list[E]:
    """The entries of one kind, in order."""
    return [entry for entry in entries if isinstance(entry, kind)]


def digest(event: dict[str, Any]) -> str:
    """What an event says, in a few characters."""
    text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha1(text.encode(errors="replace"), usedforsecurity=False).hexdigest()[:12]


def write(entries: Iterable[Entry], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))


def read(file: Path) -> list[Entry]:
    return [_decoder.decode(line) for line in file.read_bytes().splitlines()]
