"""The checker on histories made by hand: the good ones pass, and each rule catches what it is there for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.faults import history as h
from tests.faults.agents_facts import TOKENS
from tests.faults.checker import RULES, check, measure
from tests.faults.schedule import Agent, Fault, PlannedRun, PlannedViewer, Schedule

RUN, NAME = "run_1", "seed 1 run 0"
VIEWER = "steady 0"
#: When the seed begins, in Unix seconds.
T0 = 1_700_000_000.0


class Story:
    """One run that goes well, watched by one viewer; tests change what they are about and then ask for the rules."""

    def __init__(self, agent: Agent = "sequence") -> None:
        self.faults: list[Fault] = []
        self.planned = PlannedRun(at=0, name=NAME, agent=agent)
        self.posts = [h.Posted(at=T0 + 0.1, run=NAME, outcome="done", status=202, run_id=RUN)]
        self.log: list[dict[str, Any]] = []
        self.record = {"state": "completed", "message": NAME, "created_at": str(round((T0 + 0.1) * 1000))}
        self.tools: list[h.ToolRan] = []
        self.extra: list[h.Entry] = []
        #: What the viewer sees beside the log; None: the log.
        self.seen: list[h.Entry] | None = None
        self.quiet = h.Quiet(at=T0 + 9, healed_at=T0 + 5, in_time=True)

    def event(self, kind: str, at: float, *, attempt: int = 1, terminal: bool = False, **data: Any) -> dict[str, Any]:
        """Write an event as the log's next."""
        seq = len(self.log) + 1
        event = {
            "type": kind,
            "seq": seq,
            "cursor": f"{seq}-0000000{attempt}",
            "terminal": terminal,
            "run_id": RUN,
            "attempt": attempt,
            "agent_call_id": "a1",
            "parent_call_id": None,
            "at": round((T0 + at) * 1000),
            "data": data,
        }
        self.log.append(event)
        return event

    def call(self, call_id: str, at: float, *, tool: str = "measure", attempt: int = 1, status: str = "ok") -> None:
        """A tool call that is shown, runs for a tenth of a second, and is shown to end."""
        arguments = {"step": len(self.log)}
        self.event("tool_executing", at, attempt=attempt, call_id=call_id, tool_name=tool, arguments=arguments)
        self.run_tool(call_id, at + 0.01, tool=tool, attempt=attempt)
        self.event("tool_completed", at + 0.2, attempt=attempt, call_id=call_id, tool_name=tool, status=status)

    def run_tool(
        self, call_id: str, at: float, *, tool: str = "measure", attempt: int = 1, ends: bool = True, key: str = ""
    ) -> None:
        """Lines of the counter file."""
        key = key or f"{RUN}:{call_id}"
        line = h.ToolRan(
            at=T0 + at, run_id=RUN, call_id=call_id, key=key, edge="start", attempt=attempt, tool=tool, pid=1
        )
        self.tools.append(line)
        if ends:
            self.tools.append(msgspec.structs.replace(line, edge="end", at=T0 + at + 0.1))

    def complete(self, at: float = 2.0, *, attempt: int = 1, **usage: int) -> dict[str, Any]:
        calls = sum(event["type"] == "tool_executing" for event in self.log)
        told = {"tool_calls": calls, "model_requests": 0, "input_tokens": 0, "output_tokens": 0, **usage}
        return self.event("agent_completed", at, attempt=attempt, terminal=True, result="done", usage=told)

    def see(self, events: list[dict[str, Any]], *, after: str = "0", late: float = 0.01) -> list[h.Entry]:
        """What a viewer writes down that gets these events in one subscription."""
        begun = events[0]["at"] / 1000 if events else T0
        entries: list[h.Entry] = [h.Subscribed(at=begun, viewer=VIEWER, run_id=RUN, after=after, link=1)]
        return entries + [
            h.Received(
                at=event["at"] / 1000 + late,
                viewer=VIEWER,
                run_id=RUN,
                seq=event["seq"],
                cursor=event["cursor"],
                digest=h.digest(event),
                terminal=event["terminal"],
                shown=True,
            )
            for event in events
        ]

    def do(self, kind: str, *, until: float = 5.0) -> None:
        """A fault that is healed at `until`."""
        fault = Fault(at=1, kind=kind)
        self.faults.append(fault)
        self.extra += [h.FaultBegun(at=T0 + 1, fault=fault), h.FaultEnded(at=T0 + until, fault=fault)]

    @property
    def entries(self) -> list[h.Entry]:
        viewers = (PlannedViewer(name=VIEWER, kind="steady", runs=(NAME,)),)
        schedule = Schedule(seed=1, runs=(self.planned,), viewers=viewers, faults=tuple(self.faults))
        record = {"last_seq": str(len(self.log)), **self.record}
        return [
            h.Begun(at=T0, schedule=schedule),
            *self.posts,
            *(self.see(self.log) if self.seen is None else self.seen),
            *self.extra,
            self.quiet,
            h.FinalRun(at=T0 + 9, run_id=RUN, run=NAME, record=record, log=tuple(self.log)),
            *self.tools,
        ]

    @property
    def broken(self) -> set[str]:
        """The rules that do not hold."""
        return {violation.rule for violation in check(self.entries)}


@pytest.fixture
def story() -> Story:
    """A run with one tool call, not ended yet."""
    made = Story()
    made.event("agent_started", 0.2)
    made.call("a1.t1", 0.4)
    return made


def test_a_run_that_goes_well_breaks_no_rule(story: Story) -> None:
    story.complete()

    assert check(story.entries) == []


def test_every_rule_looks_at_an_empty_seed(story: Story) -> None:
    story.log.clear()

    assert len(RULES) == len(set(RULES))
    assert "silent" in story.broken


def test_a_run_that_loses_its_worker_and_goes_on_breaks_no_rule(story: Story) -> None:
    story.do("worker_kill", until=3)
    story.event("tool_executing", 0.9, call_id="a1.t2", tool_name="measure", arguments={})
    story.run_tool("a1.t2", 0.91, ends=False)
    story.event("run_resumed", 3.5, attempt=2, reason="lost", discard_after_seq=4)
    story.run_tool("a1.t2", 3.6, attempt=2)
    story.event("tool_completed", 3.8, attempt=2, call_id="a1.t2", tool_name="measure", status="ok")
    story.complete(4, attempt=2)

    assert story.broken == set()
    assert measure(story.entries).begun_again == 1


def test_an_event_that_was_skipped_is_a_hole(story: Story) -> None:
    story.complete()
    first, second, *rest = story.log
    story.seen = [*story.see([first]), *story.see([*rest])[1:]]

    assert "contiguous" in story.broken
    assert "equal" in story.broken
    del second


def test_an_event_that_came_twice_is_a_duplicate(story: Story) -> None:
    story.complete()
    again = msgspec.structs.replace(story.see(story.log[:1])[1], shown=False)
    story.seen = story.see(story.log)
    story.seen.insert(2, again)

    assert "unique" in story.broken


def test_an_event_from_before_the_cursor_is_out_of_order(story: Story) -> None:
    story.complete()
    story.seen = [*story.see(story.log, after="3")]

    assert "ordered" in story.broken


def test_a_viewer_that_comes_back_goes_on_from_its_cursor(story: Story) -> None:
    story.complete()
    story.seen = [*story.see(story.log[:2]), *story.see(story.log[2:], after=story.log[1]["cursor"])]

    assert story.broken == set()


def test_what_was_shown_and_is_not_in_the_log_was_acknowledged_in_vain(story: Story) -> None:
    story.complete()
    story.seen = story.see([{**event, "cursor": f"{event['seq']}-ffffffff"} for event in story.log])

    assert "acknowledged" in story.broken


def test_what_was_shown_with_other_words_was_never_emitted(story: Story) -> None:
    story.complete()
    story.seen = story.see([{**event, "data": {"text": "other"}} for event in story.log])

    assert story.broken == {"emitted"}


def test_after_a_reset_the_whole_story_counts(story: Story) -> None:
    story.do("rollback")
    story.complete()
    lost = [{**story.log[0], "cursor": "1-ffffffff"}]
    reset = h.WasReset(at=T0 + 0.5, viewer=VIEWER, run_id=RUN, reason="forked", cursor="0")
    story.seen = [*story.see(lost), reset, *story.see(story.log)[1:]]

    assert story.broken == set()


def test_a_reset_without_a_loss_breaks_a_rule(story: Story) -> None:
    story.complete()
    story.extra.append(h.WasReset(at=T0, viewer=VIEWER, run_id=RUN, reason="forked", cursor="0"))

    assert "reset" in story.broken


def test_a_refused_viewer_breaks_a_rule(story: Story) -> None:
    story.complete()
    story.extra.append(h.Refused(at=T0, viewer=VIEWER, run_id=RUN, code="not_found"))

    assert "refused" in story.broken


def test_a_viewer_that_still_waits_has_not_been_served(story: Story) -> None:
    story.complete()
    story.seen = story.see(story.log[:-1])
    story.quiet = msgspec.structs.replace(story.quiet, in_time=False, open_viewers=(VIEWER,))

    assert story.broken == {"delivered"}


def test_a_last_event_that_comes_late_has_not_been_delivered_in_time(story: Story) -> None:
    story.complete()
    story.seen = story.see(story.log, late=16)

    assert story.broken == {"delivered"}


def test_a_last_event_may_be_as_late_as_its_fault(story: Story) -> None:
    story.do("viewer_link_silent", until=15)
    story.complete()
    story.seen = story.see(story.log, late=16)

    assert story.broken == set()


@pytest.mark.parametrize(
    ("code", "fault", "is_allowed"),
    [
        (0, None, True),
        (1000, None, True),
        (1006, None, False),
        (1006, "web_kill", True),
        (1006, "viewer_link_cut", True),
        (1006, "worker_kill", False),
        (1012, "web_term", True),
        (1012, "redis_kill", False),
        (1011, "web_kill", False),
        (4408, "viewer_link_slices", False),
    ],
)
def test_a_close_code_has_to_fit_the_fault(story: Story, code: int, fault: str | None, is_allowed: bool) -> None:
    story.complete()
    if fault:
        story.do(fault)
    story.extra.append(h.Closed(at=T0, viewer=VIEWER, code=code))

    assert ("close_code" in story.broken) is not is_allowed


def test_a_message_whose_fate_is_unknown_may_have_made_one_run_or_none(story: Story) -> None:
    story.posts.insert(0, h.Posted(at=T0, run=NAME, outcome="unknown"))
    story.complete()

    assert story.broken == set()


def test_a_message_that_made_two_runs_breaks_a_rule(story: Story) -> None:
    story.complete()
    final = h.of(h.FinalRun, story.entries)[0]
    story.extra.append(msgspec.structs.replace(final, run_id="run_2", log=()))

    assert "once" in story.broken


def test_two_answers_with_two_runs_break_a_rule(story: Story) -> None:
    story.complete()
    story.posts.append(h.Posted(at=T0, run=NAME, outcome="done", status=202, run_id="run_2"))

    assert "once" in story.broken


def test_a_message_that_was_never_accepted_breaks_a_rule(story: Story) -> None:
    story.complete()
    story.posts = [h.Posted(at=T0, run=NAME, outcome="unknown")]

    assert "accepted" in story.broken


def test_an_accepted_run_that_is_gone_is_lost(story: Story) -> None:
    story.posts = [msgspec.structs.replace(story.posts[0], run_id="run_9")]
    story.complete()

    assert "lost" in story.broken


def test_an_answer_that_no_client_can_do_anything_with_breaks_a_rule(story: Story) -> None:
    story.complete()
    story.posts.insert(0, h.Posted(at=T0, run=NAME, outcome="refused", status=500))

    assert story.broken == {"http"}


def test_being_asked_to_come_again_is_a_fair_answer(story: Story) -> None:
    story.complete()
    story.posts.insert(0, h.Posted(at=T0, run=NAME, outcome="refused", status=503))

    assert story.broken == set()


def test_a_hole_in_the_log_breaks_a_rule(story: Story) -> None:
    story.complete()
    del story.log[1]

    assert "numbered" in story.broken


def test_a_record_that_counts_other_events_breaks_a_rule(story: Story) -> None:
    story.complete()
    story.record["last_seq"] = "9"

    assert story.broken == {"numbered"}


def test_a_run_without_an_end_is_silent(story: Story) -> None:
    story.record["state"] = "running"

    assert story.broken == {"silent"}


def test_a_second_end_breaks_a_rule(story: Story) -> None:
    story.complete()
    story.complete()

    assert "one_end" in story.broken


def test_a_cancelled_run_says_nothing_after_its_end(story: Story) -> None:
    story.event("agent_cancelled", 1.5, terminal=True, by="user")
    story.event("partial_result", 1.6, text="still here")
    story.record["state"] = "cancelled"
    story.extra.append(h.StopAsked(at=T0 + 1.4, run_id=RUN, outcome="done", state="running"))

    assert "one_end" in story.broken


def test_a_delegates_end_is_not_the_runs(story: Story) -> None:
    story.complete()["parent_call_id"] = "a1"

    assert story.broken == {"one_end"}


def test_a_record_that_tells_another_end_breaks_a_rule(story: Story) -> None:
    story.complete()
    story.record["state"] = "failed"

    assert story.broken == {"one_end"}


def test_an_attempt_that_writes_after_its_successor_was_not_fenced(story: Story) -> None:
    story.event("run_resumed", 1, attempt=2, reason="lost", discard_after_seq=0)
    story.event("partial_result", 1.1, attempt=1, text="I am back")
    story.complete(attempt=2)

    assert story.broken == {"fenced"}


def test_a_call_that_is_never_completed_breaks_a_rule(story: Story) -> None:
    story.event("tool_executing", 1, call_id="a1.t2", tool_name="measure", arguments={})
    story.complete()

    assert story.broken == {"tools_closed"}


def test_a_call_that_is_completed_twice_breaks_a_rule(story: Story) -> None:
    story.event("tool_completed", 1, call_id="a1.t1", tool_name="measure", status="ok")
    story.complete()

    assert story.broken == {"tools_closed"}


def test_a_run_that_stands_still_for_too_long_breaks_a_rule(story: Story) -> None:
    story.complete(16.0)
    story.quiet = msgspec.structs.replace(story.quiet, at=T0 + 30)

    assert story.broken == {"repaired"}


def test_a_run_may_stand_still_as_long_as_what_holds_it_up(story: Story) -> None:
    story.do("redis_kill", until=10)
    story.complete(20.0)

    assert story.broken == set()


def test_a_person_who_thinks_is_no_silence(story: Story) -> None:
    story.event("approval_requested", 1, call_id="a1.t2")
    story.extra.append(h.Decided(at=T0 + 20, run_id=RUN, call_id="a1.t2", decision="denied", outcome="done"))
    story.complete(20.5)

    assert story.broken == set()


def test_a_run_that_fails_though_nobody_stopped_it_breaks_a_rule(story: Story) -> None:
    story.event("agent_failed", 2, terminal=True, error={"code": "worker_lost", "message": "gone"})
    story.record["state"] = "failed"

    assert story.broken == {"outcome"}


def test_a_stopped_run_is_cancelled(story: Story) -> None:
    story.extra.append(h.StopAsked(at=T0 + 1.5, run_id=RUN, outcome="done", state="running"))
    story.event("agent_cancelled", 1.9, terminal=True, by="user")
    story.record["state"] = "cancelled"

    assert story.broken == set()


def test_a_stopped_run_that_is_completed_much_later_breaks_a_rule(story: Story) -> None:
    story.extra.append(h.StopAsked(at=T0 + 0.5, run_id=RUN, outcome="done", state="running"))
    story.complete()

    assert story.broken == {"stopped"}


def test_a_stop_may_cross_the_runs_own_end(story: Story) -> None:
    story.extra.append(h.StopAsked(at=T0 + 1.9, run_id=RUN, outcome="done", state="running"))
    story.complete()

    assert story.broken == set()


def test_a_tool_that_the_log_does_not_know_ran_unseen(story: Story) -> None:
    story.run_tool("a1.t9", 1)
    story.complete()

    assert story.broken == {"unseen_tool"}


def test_a_finished_call_that_a_later_attempt_runs_again_breaks_a_rule(story: Story) -> None:
    story.run_tool("a1.t1", 1.5, attempt=2)
    story.complete(attempt=2)

    assert story.broken == {"finished_repeated"}


def test_a_zombie_that_begins_the_call_it_was_frozen_in_breaks_no_rule(story: Story) -> None:
    story.do("worker_freeze")
    story.log.clear()
    story.tools.clear()
    story.event("agent_started", 0.2)
    story.event("tool_executing", 0.4, call_id="a1.t1", tool_name="measure", arguments={})
    story.run_tool("a1.t1", 3, attempt=2)
    story.event("tool_completed", 3.1, attempt=2, call_id="a1.t1", tool_name="measure", status="ok")
    story.run_tool("a1.t1", 3.5, attempt=1)
    story.complete(4, attempt=2)

    assert story.broken == set()


def test_without_an_attempt_the_time_tells_that_a_call_was_repeated(story: Story) -> None:
    story.run_tool("a1.t1", 1.5, attempt=0)
    story.complete()

    assert "finished_repeated" in story.broken


def test_a_tool_that_is_not_idempotent_is_never_begun_twice(story: Story) -> None:
    story.event("tool_executing", 1, call_id="a1.t2", tool_name="send", arguments={})
    story.run_tool("a1.t2", 1, tool="send", ends=False)
    story.run_tool("a1.t2", 1.5, tool="send", attempt=2)
    story.event("tool_completed", 1.8, attempt=2, call_id="a1.t2", tool_name="send", status="ok")
    story.complete(attempt=2)

    assert story.broken == {"begun_again"}


def test_an_idempotent_tool_is_not_begun_twice_in_one_attempt(story: Story) -> None:
    story.run_tool("a1.t1", 0.45)
    story.complete()

    assert story.broken == {"begun_again"}


def test_an_idempotent_tool_that_is_begun_again_has_the_same_key(story: Story) -> None:
    story.event("tool_executing", 1, call_id="a1.t2", tool_name="measure", arguments={})
    story.run_tool("a1.t2", 1, ends=False, key="one")
    story.run_tool("a1.t2", 1.5, attempt=2, key="another")
    story.event("tool_completed", 1.8, attempt=2, call_id="a1.t2", tool_name="measure", status="ok")
    story.complete(attempt=2)

    assert story.broken == {"same_key"}


def test_an_idempotent_call_is_not_given_up_as_interrupted(story: Story) -> None:
    story.call("a1.t2", 1, status="interrupted")
    story.complete()

    assert story.broken == {"interrupted"}


def test_a_call_that_is_shown_as_finished_has_ended(story: Story) -> None:
    story.event("tool_executing", 1, call_id="a1.t2", tool_name="measure", arguments={})
    story.event("tool_completed", 1.8, call_id="a1.t2", tool_name="measure", status="ok")
    story.complete()

    assert story.broken == {"emitted"}


@pytest.mark.parametrize(("decision", "is_allowed"), [("approved", True), ("denied", False), ("expired", False)])
def test_a_tool_that_needs_a_yes_runs_only_with_one(story: Story, decision: str, is_allowed: bool) -> None:
    story.event("tool_executing", 1, call_id="a1.t2", tool_name="transfer", arguments={})
    story.event("approval_requested", 1, call_id="a1.t2")
    story.event("approval_resolved", 1.1, call_id="a1.t2", decision=decision, by="usr_1")
    story.run_tool("a1.t2", 1.2, tool="transfer")
    story.event("tool_completed", 1.5, call_id="a1.t2", tool_name="transfer", status="ok")
    story.complete()

    assert story.broken == (set() if is_allowed else {"approved"})


def test_a_tool_does_not_run_before_the_yes(story: Story) -> None:
    story.event("tool_executing", 1, call_id="a1.t2", tool_name="transfer", arguments={})
    story.run_tool("a1.t2", 1.0, tool="transfer")
    story.event("approval_resolved", 1.4, call_id="a1.t2", decision="approved", by="usr_1")
    story.event("tool_completed", 1.5, call_id="a1.t2", tool_name="transfer", status="ok")
    story.complete()

    assert story.broken == {"approved"}


def test_the_decision_that_a_person_was_told_of_is_the_logs(story: Story) -> None:
    story.event("tool_executing", 1, call_id="a1.t2", tool_name="transfer", arguments={})
    story.event("approval_resolved", 1.1, call_id="a1.t2", decision="denied", by="usr_1")
    story.event("tool_completed", 1.2, call_id="a1.t2", tool_name="transfer", status="denied")
    story.extra.append(h.Decided(at=T0 + 1.1, run_id=RUN, call_id="a1.t2", decision="approved", outcome="done"))
    story.complete()

    assert story.broken == {"approved"}


def test_tool_calls_are_counted_once(story: Story) -> None:
    story.complete(tool_calls=2)

    assert story.broken == {"usage_once"}


def asker() -> Story:
    story = Story("asker")
    story.event("agent_started", 0.2)
    story.call("a1.t1", 0.4)
    story.log[1]["data"]["arguments"] = {"step": 1}
    story.extra.append(h.ModelAsked(at=T0 + 0.3, run=NAME, step=1, answered=True))
    return story


def test_an_answer_of_the_model_that_was_acted_on_is_not_asked_for_again() -> None:
    story = asker()
    story.complete(model_requests=3, input_tokens=3 * TOKENS[0], output_tokens=3 * TOKENS[1])
    assert story.broken == set()

    story.extra.append(h.ModelAsked(at=T0 + 1, run=NAME, step=1, answered=True))

    assert story.broken == {"model_repeated"}


def test_tokens_are_counted_once() -> None:
    story = asker()
    story.complete(model_requests=4, input_tokens=4 * TOKENS[0], output_tokens=4 * TOKENS[1])

    assert story.broken == {"usage_once"}


def test_a_process_that_ends_by_itself_breaks_a_rule(story: Story) -> None:
    story.complete()
    story.extra.append(h.ProcessEnded(at=T0, name="worker.0", exit_code=1, expected=False))

    assert story.broken == {"alive"}


def test_what_a_process_holds_afterwards_is_what_it_held_before(story: Story) -> None:
    story.complete()
    story.extra += [
        h.Resources(at=T0, moment="before", name="web.0", held={"fds": 30}),
        h.Resources(at=T0 + 9, moment="after", name="web.0", held={"fds": 40}),
    ]
    assert story.broken == set()

    story.extra.append(h.Resources(at=T0 + 9, moment="after", name="web.0", held={"fds": 400}))

    assert story.broken == {"bounds"}


def test_a_history_without_an_end_is_no_proof(story: Story) -> None:
    story.complete()

    entries = [entry for entry in story.entries if not isinstance(entry, h.Quiet)]

    assert {violation.rule for violation in check(entries)} == {"quiet"}


def test_after_a_rollback_weaker_rules_hold(story: Story) -> None:
    story.do("rollback")
    story.run_tool("a1.t1", 1.5, attempt=2)
    story.event("agent_failed", 2, attempt=2, terminal=True, error={"code": "log_lost", "message": "gone"})
    story.record["state"] = "failed"

    assert story.broken == set()


def test_a_viewer_that_had_left_before_a_rollback_cannot_be_told(story: Story) -> None:
    story.do("rollback")
    story.complete()
    story.seen = story.see([{**event, "cursor": f"{event['seq']}-ffffffff"} for event in story.log])

    assert story.broken == set()


def test_a_viewer_that_was_there_at_a_rollback_is_told(story: Story) -> None:
    story.do("rollback")
    story.complete(7)
    story.seen = story.see([{**event, "cursor": f"{event['seq']}-ffffffff"} for event in story.log])

    assert "acknowledged" in story.broken


def test_figures_are_counted(story: Story) -> None:
    story.do("worker_kill")
    story.complete()

    figures = measure(story.entries)

    assert (figures.runs, figures.events, figures.shown, figures.tool_calls) == (1, 4, 4, 1)
    assert figures.faults == {"worker_kill": 1}
    assert figures.ends == {"agent_completed": 1}
    assert figures.longest_silence == pytest.approx(1.4, abs=0.01)


def test_a_history_is_the_same_after_being_written_and_read(story: Story, tmp_path: Path) -> None:
    story.complete()
    file = tmp_path / "history.jsonl"

    h.write(story.entries, file)

    assert h.read(file) == story.entries
