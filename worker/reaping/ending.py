"""Ends runs that no worker ends, visibly, and takes ended runs off the lists so that the next of a thread begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

import msgspec

from worker.contract import codec, keys, scripts
from worker.contract.catalogue import Catalogue
from worker.contract.clock import now_ms
from worker.contract.closing import End, close_open_calls, end_agent
from worker.contract.cursor import new_tag
from worker.contract.errors import DecodeError
from worker.contract.events import (
    MAX_INPUT_CHARACTERS,
    ROOT_CALL_ID,
    AgentStarted,
    AgentStartedData,
    AgentThinking,
    AgentThinkingData,
    EnvelopeFields,
    Event,
)
from worker.contract.open_calls import OpenAgent, OpenCalls, OpenTool
from worker.contract.run import RunRecord, RunState, decode_run
from worker.contract.scripts import TaggedDraft
from worker.reaping.asks import Commands, Ring, Work
from worker.reaping.noting import note_end

_PAGE = 500
#: A log that moved under our hands is read again; after this many times someone works on the run after all.
_TRIES = 5
_WAITING_WORDS = "Waiting for a worker."


def read_record(run_id: str) -> Work[RunRecord | None]:
    """Read a run; None when there is none."""
    [fields] = yield Commands([("HGETALL", keys.run(run_id))])
    return decode_run(run_id, fields) if fields else None


def read_events(run_id: str) -> Work[list[Event]]:
    """Read a run's story, but for events of a newer version that this one does not know."""
    found: list[Event] = []
    start = "-"
    while True:
        [page] = yield Commands([("XRANGE", keys.log(run_id), start, "+", "COUNT", _PAGE)])
        for _, fields in page:
            with suppress(DecodeError):
                found.append(codec.decode(fields[codec.ENTRY_FIELD]))
        if len(page) < _PAGE:
            return found
        start = f"({page[-1][0].decode()}"


def conclude(
    run_id: str,
    end: End,
    *,
    retention_ms: int,
    is_idle: bool = True,
    seen: RunRecord | None = None,
    on_end: Callable[[RunRecord], None] = lambda record: None,
) -> Work[RunRecord | None]:
    """End a run with a whole story, if nobody works on it (with `is_idle` False, even so).

    `seen` is the record that asked for it: a run that has gone on since is left alone. `on_end` is told when it was
    this call that ended the run.
    Returns the record after it, which is unfinished if a worker has the run; None when there is no such run.
    """
    for _ in range(_TRIES):
        record = yield from read_record(run_id)
        if record is None or record.is_finished or (seen is not None and _place(record) != _place(seen)):
            break
        events = yield from read_events(run_id)
        catalogue = yield from _read_catalogue()
        story = end_story(record, end, OpenCalls(events), catalogue, is_empty=not events)
        answer = yield scripts.tell(
            run_id,
            story,
            last_seq=record.last_seq,
            retention_ms=retention_ms,
            end_state=end.state,
            is_idle=is_idle,
        )
        if answer == b"ok":
            on_end(record)
            yield from retire(record)
        if answer != b"moved":
            break
    return (yield from read_record(run_id))


def _place(record: RunRecord) -> tuple[RunState, int, int, int]:
    return record.state, record.attempt, record.last_seq, record.progress_until


def bury(record: RunRecord, end: End, *, retention_ms: int, fields: Mapping[str, str]) -> Work[bool]:
    """Give a run whose record is gone an end that can be seen; False if it is not gone."""
    catalogue = yield from _read_catalogue()
    story = end_story(record, end, OpenCalls(), catalogue, is_empty=True)
    answer = yield scripts.bury(record.run_id, story, retention_ms=retention_ms, end_state=end.state, fields=fields)
    return bool(answer == b"ok")


def tell_of_wait(record: RunRecord, *, retention_ms: int) -> Work[bool]:
    """Tell the viewers of a queued run that no worker has taken it; False when one has meanwhile."""
    events: list[Event] = []
    if not record.last_seq:
        catalogue = yield from _read_catalogue()
        full = yield from read_record(record.run_id)
        events.append(_started(full or record, catalogue))
    data = AgentThinkingData(text=_WAITING_WORDS, delta=False, step=0)
    events.append(AgentThinking(**_root_envelope(record), data=data))
    answer = yield scripts.tell(record.run_id, _drafts(events), last_seq=record.last_seq, retention_ms=retention_ms)
    return bool(answer == b"ok")


def retire(record: RunRecord) -> Work[None]:
    """Take a finished run off the lists, and ring for the next one of its thread. May be repeated."""
    yield scripts.list_unseen(record.run_id)
    yield from leave_queue(record.thread_id, record.run_id)
    yield from note_end(record.run_id)
    # Last: whoever sweeps finds it there if this process dies before.
    yield Commands([("ZREM", keys.user_live(record.user_id), record.run_id), ("ZREM", keys.RUNS_LIVE, record.run_id)])


def leave_queue(thread_id: str, run_id: str) -> Work[None]:
    """Take a run that is over out of its thread's queue, and ring for the one that goes first now. May be repeated."""
    queue = keys.thread_queue(thread_id)
    before, removed, first = yield Commands([("LINDEX", queue, 0), ("LREM", queue, 0, run_id), ("LINDEX", queue, 0)])
    # Whoever took it away before may not have come to ring.
    is_new = not removed or before.decode() == run_id
    if first is not None and is_new:
        [found] = yield Commands([("HMGET", keys.run(first.decode()), "queue", "agent")])
        queue_name, agent = ((value or b"").decode() for value in found)
        yield Ring(first.decode(), queue_name, agent)


def end_story(
    record: RunRecord, end: End, open_calls: OpenCalls, catalogue: Catalogue | None, *, is_empty: bool
) -> list[TaggedDraft]:
    """Write the events that end a run: its first one if there is none, what closes open calls, its last one."""

    def envelope(item: OpenTool | OpenAgent) -> EnvelopeFields:
        event = item.event
        return EnvelopeFields(
            **{
                **_root_envelope(record),
                "agent_name": event.agent_name,
                "agent_call_id": event.agent_call_id,
                "parent_call_id": event.parent_call_id,
            }
        )

    events: list[Event] = [_started(record, catalogue)] if is_empty else []
    events += close_open_calls(open_calls, end, now=now_ms(), envelope=envelope)
    events.append(end_agent(_root_envelope(record), end, terminal=True))
    return _drafts(events)


def _read_catalogue() -> Work[Catalogue | None]:
    [raw] = yield Commands([("GET", keys.CATALOGUE)])
    return msgspec.json.decode(raw, type=Catalogue) if raw else None


def _started(record: RunRecord, catalogue: Catalogue | None) -> AgentStarted:
    agents = catalogue.agents if catalogue else []
    tools = next((agent.tools for agent in agents if agent.name == record.agent), [])
    data = AgentStartedData(
        input=record.message[:MAX_INPUT_CHARACTERS], model=(catalogue.model or None) if catalogue else None, tools=tools
    )
    return AgentStarted(**_root_envelope(record), data=data)


def _root_envelope(record: RunRecord) -> EnvelopeFields:
    return EnvelopeFields(
        run_id=record.run_id,
        thread_id=record.thread_id,
        attempt=record.attempt,
        agent_name=record.agent,
        agent_call_id=ROOT_CALL_ID,
        parent_call_id=None,
        at=now_ms(),
    )


def _drafts(events: Iterable[Event]) -> list[TaggedDraft]:
    return [(new_tag(), codec.encode_draft(event)) for event in events]
