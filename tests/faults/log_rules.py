"""What the log tells: one story without holes, from one writer at a time, with one end, and never silent for long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from tests.faults import history as h
from tests.faults.facts import Event, Facts, Violation, last_event, seconds

#: A run moves on this soon after what held it up is over.
REPAIR_SECONDS = 15.0
#: A stop and the run's own end may cross.
_CROSSING_SECONDS = 1.0

_STATES = {"agent_completed": "completed", "agent_failed": "failed", "agent_cancelled": "cancelled"}


def accepted_runs_exist(facts: Facts) -> Iterator[Violation]:
    """A message gives one run however often it was sent; one that was acknowledged is there."""
    runs = Counter(final.run for final in facts.finals.values())
    for name in facts.planned:
        told = {post.run_id for post in facts.posted if post.run == name and post.outcome == "done"}
        if runs[name] > 1 or len(told) > 1:
            yield Violation("once", name, f"{max(runs[name], len(told))} runs were made of one message")
        if not told:
            yield Violation("accepted", name, "the message was never accepted")
        elif told.isdisjoint(facts.finals) and not facts.rolled_back:
            yield Violation("lost", name, "an accepted run is gone")


def numbered(facts: Facts) -> Iterator[Violation]:
    """1, 2, 3 …, all of this run."""
    for run_id, final in facts.finals.items():
        numbers = [event["seq"] for event in final.log]
        if numbers != list(range(1, len(numbers) + 1)):
            yield Violation("numbered", run_id, f"the log's numbers are {_shorten(numbers)}")
        if final.log and int(final.record.get("last_seq", 0)) != len(final.log):
            yield Violation("numbered", run_id, f"the record says {final.record.get('last_seq')} events")
        if any(event["run_id"] != run_id for event in final.log):
            yield Violation("numbered", run_id, "an event of another run is in the log")


def one_end(facts: Facts) -> Iterator[Violation]:
    """Exactly one last event, which is the root's and the last; no accepted run without one."""
    for run_id, final in facts.finals.items():
        ends = [event for event in final.log if event["terminal"]]
        if not ends:
            if final.run in facts.accepted:
                yield Violation("silent", run_id, f"no end; state {final.record.get('state')}, {len(final.log)} events")
            continue
        if len(ends) > 1:
            yield Violation("one_end", run_id, f"{len(ends)} last events")
        if not final.log[-1]["terminal"]:
            yield Violation("one_end", run_id, f"{final.log[-1]['type']} comes after the end")
        if ends[0]["parent_call_id"] is not None or ends[0]["agent_call_id"] != final.log[0]["agent_call_id"]:
            yield Violation("one_end", run_id, "the last event is not the root's")
        if (state := _STATES.get(ends[0]["type"])) != final.record.get("state"):
            yield Violation("one_end", run_id, f"the log says {state}, the record {final.record.get('state')}")


def fenced(facts: Facts) -> Iterator[Violation]:
    """After the first event of an attempt none of an earlier one."""
    for run_id, final in facts.finals.items():
        for before, after in pairwise(final.log):
            if after["attempt"] < before["attempt"]:
                words = f"event {after['seq']} is of attempt {after['attempt']}, the one before of {before['attempt']}"
                yield Violation("fenced", run_id, words)


def tools_closed(facts: Facts) -> Iterator[Violation]:
    """Every `tool_executing` has exactly one `tool_completed`, after it."""
    for run_id, final in facts.finals.items():
        begun: Counter[str] = Counter()
        ended: Counter[str] = Counter()
        for event in final.log:
            if event["type"] == "tool_executing":
                begun[event["data"]["call_id"]] += 1
            elif event["type"] == "tool_completed":
                call_id = event["data"]["call_id"]
                ended[call_id] += 1
                if not begun[call_id]:
                    yield Violation("tools_closed", run_id, f"{call_id} is completed before it is executing")
        for call_id in begun.keys() | ended.keys():
            if last_event(final) and (begun[call_id], ended[call_id]) != (1, 1):
                words = f"{call_id} is executing {begun[call_id]} times and completed {ended[call_id]} times"
                yield Violation("tools_closed", run_id, words)


def repaired(facts: Facts) -> Iterator[Violation]:
    """No run stands still for longer than `REPAIR_SECONDS` after the last fault that could hold it up."""
    for run_id, final in facts.finals.items():
        for since, until in silences(facts, final):
            could = facts.healed_before(since, until)
            if until - could > REPAIR_SECONDS:
                yield Violation("repaired", run_id, f"{until - could:.1f} s without an event")


def outcome(facts: Facts) -> Iterator[Violation]:
    """A run that nobody stopped is completed; one that was stopped is cancelled, soon."""
    for run_id, final in facts.finals.items():
        last = last_event(final)
        if last is None:
            continue
        stops = [stop for stop in facts.stops.get(run_id, []) if stop.outcome != "refused"]
        if stops:
            yield from _stopped(facts, run_id, last, stops)
        elif last["type"] != "agent_completed" and not facts.rolled_back:
            error = last["data"].get("error", {})
            yield Violation("outcome", run_id, f"{last['type']}, {error.get('code')}: {error.get('message')}")


def usage_once(facts: Facts) -> Iterator[Violation]:
    """What a run has cost is what its log shows, counted once."""
    for run_id, final in facts.finals.items():
        last = last_event(final)
        if last is None or last["type"] != "agent_completed":
            continue
        told = last["data"]["usage"]["tool_calls"]
        shown = sum(event["type"] == "tool_executing" for event in final.log)
        if told != shown:
            yield Violation("usage_once", run_id, f"{told} tool calls counted, {shown} shown")


def silences(facts: Facts, final: h.FinalRun) -> Iterator[tuple[float, float]]:
    """Times between one event and the next, from the run's acceptance on; without the time that a person thinks."""
    since = int(final.record.get("created_at", 0)) / 1000
    for event in final.log:
        until = seconds(event)
        if since:
            yield since, until
        since = max(until, _decided_at(facts, final.run_id, event))


def _decided_at(facts: Facts, run_id: str, event: Event) -> float:
    if event["type"] != "approval_requested":
        return 0.0
    call_id = event["data"]["call_id"]
    return max(
        (d.at for d in h.of(h.Decided, facts.entries) if (d.run_id, d.call_id) == (run_id, call_id)), default=0.0
    )


def _stopped(facts: Facts, run_id: str, last: Event, stops: list[h.StopAsked]) -> Iterator[Violation]:
    answered = [stop for stop in stops if stop.outcome == "done" and stop.state != "completed"]
    if not answered:
        return
    first = answered[0]
    took = seconds(last) - facts.healed_before(first.at, seconds(last))
    if last["type"] == "agent_completed" and took < _CROSSING_SECONDS:
        return
    if last["type"] != "agent_cancelled":
        yield Violation("stopped", run_id, f"{last['type']} {took:.1f} s after a stop was acknowledged")
    elif took > REPAIR_SECONDS:
        yield Violation("stopped", run_id, f"it took {took:.1f} s")


def _shorten(numbers: list[int]) -> str:
    return str(numbers if len(numbers) < 12 else [*numbers[:6], "…", *numbers[-5:]])
