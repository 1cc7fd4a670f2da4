"""One run's steps for an operator: what kind of thing happened when, and in which attempt; never what was said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from redis import Redis

from worker.contract import codec, keys

#: The newest of a log; nearly every run has fewer.
_MAX_EVENTS = 4_000
_PAGE = 500
#: Tool results are in the log: a page of large ones ends the reading.
_MAX_BYTES = 8 * 1024 * 1024
MAX_STEPS = 300
#: These come by the hundred and say nothing apart.
_MERGED = frozenset({"partial_result", "agent_thinking", "tool_progress"})


class _Error(msgspec.Struct, frozen=True):
    code: str = ""


class _Facts(msgspec.Struct, frozen=True):
    """Of an event's data only what is nobody's words."""

    tool_name: str = ""
    status: str = ""
    duration_ms: int | None = None
    error: _Error | None = None


class _Seen(msgspec.Struct, frozen=True):
    seq: int
    type: str
    attempt: int
    agent_name: str
    at: int
    data: _Facts = _Facts()


class Step(msgspec.Struct, kw_only=True):
    """One event, or several of one type in a row."""

    seq: int
    type: str
    attempt: int
    agent: str
    at: int
    #: How many events it stands for, and when the last of them was.
    count: int
    last_at: int
    tool: str
    status: str
    duration_ms: int | None
    error_code: str


class Attempt(msgspec.Struct, kw_only=True):
    """What the steps that are shown tell of one attempt."""

    number: int
    first_at: int
    last_at: int
    events: int


class Story(NamedTuple):
    steps: list[Step]
    attempts: list[Attempt]
    #: True when older events are not shown.
    is_cut: bool


def read_story(client: Redis, run_id: str) -> Story:
    """Read the newest steps of a run, oldest first."""
    raw, is_cut = _newest(client, run_id)
    seen = list(_decode(raw))
    steps = list(_merge(seen))
    return Story(steps[-MAX_STEPS:], _attempts(seen), is_cut or len(steps) > MAX_STEPS)


def _newest(client: Redis, run_id: str) -> tuple[list[bytes], bool]:
    found: list[bytes] = []
    size = 0
    end = "+"
    while len(found) < _MAX_EVENTS and size < _MAX_BYTES:
        page: Any = client.xrevrange(keys.log(run_id), max=end, count=_PAGE)
        events = [fields[codec.ENTRY_FIELD] for _, fields in page]
        found += events
        size += sum(map(len, events))
        if len(page) < _PAGE:
            return found[::-1], False
        end = f"({page[-1][0].decode()}"
    return found[::-1], True


def _decode(raw: Iterable[bytes]) -> Iterator[_Seen]:
    for event in raw:
        try:
            yield msgspec.json.decode(event, type=_Seen)
        except msgspec.DecodeError:
            # Of a newer writer, whose facts have other types: its kind and place are known at least.
            header = codec.peek(event)
            yield _Seen(header.seq, header.type, 0, "", 0)


def _merge(events: Iterable[_Seen]) -> Iterator[Step]:
    last: Step | None = None
    for event in events:
        if last is not None and event.type in _MERGED and _kind(last) == (event.type, event.attempt, event.agent_name):
            last.count += 1
            last.last_at = event.at
            continue
        if last is not None:
            yield last
        last = Step(
            seq=event.seq,
            type=event.type,
            attempt=event.attempt,
            agent=event.agent_name,
            at=event.at,
            count=1,
            last_at=event.at,
            tool=event.data.tool_name,
            status=event.data.status,
            duration_ms=event.data.duration_ms,
            error_code=event.data.error.code if event.data.error else "",
        )
    if last is not None:
        yield last


def _kind(step: Step) -> tuple[str, int, str]:
    return step.type, step.attempt, step.agent


def _attempts(events: Iterable[_Seen]) -> list[Attempt]:
    found: dict[int, Attempt] = {}
    for event in events:
        attempt = found.setdefault(
            event.attempt, Attempt(number=event.attempt, first_at=event.at, last_at=event.at, events=0)
        )
        attempt.last_at = event.at
        attempt.events += 1
    return [found[number] for number in sorted(found)]
