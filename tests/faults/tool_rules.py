"""What was really done, by the counter file, against what the log says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.faults import history as h
from tests.faults.agents_facts import IDEMPOTENT, MODEL_REQUESTS, NEEDS_APPROVAL, TOKENS
from tests.faults.facts import Call, Event, Facts, Violation, last_event, seconds


def shown_before_run(facts: Facts) -> Iterator[Violation]:
    """No tool runs without a `tool_executing` in the log."""
    if facts.rolled_back:
        return
    shown = {(call.run_id, call.call_id) for call in facts.calls() if call.executing}
    for (run_id, call_id), lines in facts.tool_runs.items():
        if (run_id, call_id) not in shown:
            yield Violation("unseen_tool", run_id, f"{lines[0].tool} ran as {call_id}, which the log does not know")


def finished_once(facts: Facts) -> Iterator[Violation]:
    """A call that the log shows as finished is not begun again after that."""
    if facts.rolled_back:
        return
    for call in facts.calls():
        completed = call.completed
        if completed is None or completed["data"]["status"] != "ok":
            continue
        late = [line for line in _starts(facts, call) if _is_after(facts, line, completed)]
        if late:
            words = f"{late[0].tool} {call.call_id} was finished by attempt {completed['attempt']} and begun again"
            yield Violation("finished_repeated", call.run_id, f"{words} by attempt {late[0].attempt}")


def begun_once(facts: Facts) -> Iterator[Violation]:
    """A tool that is not idempotent is never begun twice; any other once in an attempt, with one key."""
    if facts.rolled_back:
        return
    for (run_id, call_id), lines in facts.tool_runs.items():
        starts = [line for line in lines if line.edge == "start"]
        tool = lines[0].tool
        if tool not in IDEMPOTENT and len(starts) > 1:
            yield Violation("begun_again", run_id, f"{tool} {call_id}, not idempotent, was begun {len(starts)} times")
        attempts = Counter(line.attempt for line in starts if line.attempt)
        if twice := [attempt for attempt, times in attempts.items() if times > 1]:
            yield Violation("begun_again", run_id, f"{tool} {call_id} was begun twice by attempt {twice[0]}")
        if len({line.key for line in lines}) > 1:
            yield Violation("same_key", run_id, f"{tool} {call_id} was begun with keys {sorted(k.key for k in lines)}")


def results_kept(facts: Facts) -> Iterator[Violation]:
    """A finished function's result is not thrown away for an unknown one while its run goes on to complete."""
    if facts.rolled_back:
        return
    for call in facts.calls():
        last = last_event(facts.finals[call.run_id])
        if call.completed is None or last is None or last["type"] != "agent_completed":
            continue
        tool, status = call.completed["data"]["tool_name"], call.completed["data"]["status"]
        if status == "interrupted" and tool in IDEMPOTENT:
            yield Violation("interrupted", call.run_id, f"{tool} {call.call_id} is idempotent and was not run again")
        if status == "ok" and not any(line.edge == "end" for line in facts.tool_lines(call)):
            yield Violation("emitted", call.run_id, f"{tool} {call.call_id} is shown as finished and never ended")


def approved(facts: Facts) -> Iterator[Violation]:
    """A tool that needs a yes runs after it, and never after a no; the decision shown is the one that won."""
    for call in facts.calls():
        if call.executing is None or call.executing["data"]["tool_name"] not in NEEDS_APPROVAL:
            continue
        resolved = _resolved(facts.finals[call.run_id], call.call_id)
        starts = _starts(facts, call)
        if starts and (resolved is None or resolved["data"]["decision"] != "approved"):
            yield Violation("approved", call.run_id, f"{call.call_id} ran without a yes")
        elif starts and resolved and starts[0].at < seconds(resolved) - 0.1:
            yield Violation("approved", call.run_id, f"{call.call_id} ran before the yes")
        said = {d.decision for d in h.of(h.Decided, facts.entries) if d.call_id == call.call_id and d.outcome == "done"}
        said &= {d.decision for d in h.of(h.Decided, facts.entries) if d.run_id == call.run_id}
        if said and resolved and resolved["data"]["decision"] not in said and not facts.rolled_back:
            words = f"{call.call_id} was answered with {sorted(said)}, the log says {resolved['data']['decision']}"
            yield Violation("approved", call.run_id, words)


def model_asked_once(facts: Facts) -> Iterator[Violation]:
    """An answer that the log has acted on is not asked for again, and tokens are counted once."""
    for run_id, final in facts.finals.items():
        planned = facts.planned.get(final.run)
        if planned is None or planned.agent not in MODEL_REQUESTS:
            continue
        yield from _counted_once(final, MODEL_REQUESTS[planned.agent])
        if facts.has_zombies or facts.rolled_back:
            continue
        acted = _acted_on(final)
        for asked in h.of(h.ModelAsked, facts.entries):
            if asked.run == final.run and asked.step in acted and asked.at > acted[asked.step]:
                words = f"question {asked.step} was asked again {asked.at - acted[asked.step]:.2f} s after its answer"
                yield Violation("model_repeated", run_id, words)


def begun_again_in_flight(facts: Facts) -> int:
    """How many calls were begun again because they were in flight at a fault: allowed, and counted."""
    return sum(max(0, sum(line.edge == "start" for line in lines) - 1) for lines in facts.tool_runs.values())


def _starts(facts: Facts, call: Call) -> list[h.ToolRan]:
    return [line for line in facts.tool_lines(call) if line.edge == "start"]


def _is_after(facts: Facts, line: h.ToolRan, completed: Event) -> bool:
    if line.attempt:
        return line.attempt > int(completed["attempt"])
    return not facts.has_zombies and line.at > seconds(completed)


def _resolved(final: h.FinalRun, call_id: str) -> Event | None:
    found = (event for event in final.log if event["type"] == "approval_resolved")
    return next((event for event in found if event["data"]["call_id"] == call_id), None)


def _acted_on(final: h.FinalRun) -> dict[int, float]:
    """When each answer of the model was acted on: the first call that it asked for was shown. See `script`."""
    acted: dict[int, float] = {}
    for event in final.log:
        if event["type"] == "tool_executing" and (step := event["data"]["arguments"].get("step")):
            acted.setdefault(int(step), seconds(event))
    return acted


def _counted_once(final: h.FinalRun, requests: int) -> Iterator[Violation]:
    last = last_event(final)
    if last is None or last["type"] != "agent_completed":
        return
    usage = last["data"]["usage"]
    told = usage["model_requests"], usage["input_tokens"], usage["output_tokens"]
    expected = requests, requests * TOKENS[0], requests * TOKENS[1]
    if told != expected:
        yield Violation("usage_once", final.run_id, f"requests and tokens are {told}, not {expected}")
