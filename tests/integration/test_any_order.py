"""Whatever happens to a run, in whatever order: its story stays dense, has one writer, and ends once and whole.

Workers come and go, freeze and come back, people stop and decide, the reaper sweeps, and the server now and then loses
what was written last. `SEEDS=1000` takes a longer look.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
import redis

from tests.support.rollback import Snapshot
from tests.support.runs import RUN, THREAD, USER, accept, change, listed, queue_of, read, server_ms, story
from tests.support.story import assert_whole_story
from tests.support.sweeping import sweep_settings
from tests.support.web import StoryWriter
from web.driver import Driver
from web.stores.client import run_script
from worker.contract import codec, keys, scripts
from worker.contract.approvals import Verdict, read_approvals, resolved_draft
from worker.contract.closing import stopped
from worker.contract.events import (
    AgentThinking,
    AgentThinkingData,
    Event,
    ToolCompleted,
    ToolCompletedData,
)
from worker.contract.open_calls import OpenCalls, OpenTool
from worker.contract.run import RunState
from worker.contract.scripts import Entries, ScriptCall
from worker.reaping.ending import conclude
from worker.reaping.sweep import sweep

SEEDS = int(os.environ.get("SEEDS", "40"))
STEPS = 200
RETENTION_MS = 60_000
#: More than a run would survive, so that more happens to it.
MAX_LOSSES = 20
#: A run is not ended earlier by anyone.
MIN_EVENTS = 25
FIELDS = {"thread_id": THREAD, "user_id": USER, "agent": "triage", "message": "hi", "created_at": "1", "queued_at": "1"}
LISTS = (keys.RUNS_LIVE, keys.RUNS_UNSEEN, keys.user_live(USER), keys.thread_queue(THREAD))


class Silence:
    """A doorbell that nobody hears."""

    def ring(self, run_id: str, queue: str, agent: str) -> None:
        """Do nothing."""


class Worker(StoryWriter):
    """Writes again what the server has lost, as `LogWriter` does, but keeps all that it wrote."""

    def __init__(self, client: redis.Redis, worker_id: str) -> None:
        super().__init__(client, RUN, worker_id=worker_id)
        #: Whether it takes the run for its own.
        self.has_run = False
        self.written: list[ScriptCall] = []

    def take(self) -> None:
        if self.claim() == "ok":
            self.has_run, self.written = True, []

    def recover(self) -> None:
        status, *rest = self.restore(**FIELDS)
        self.has_run = status == "ok"
        if self.has_run:
            for call in self.written[rest[0] :]:
                assert super()._words(call)[0] == "ok"

    def keep_lease(self) -> None:
        [status, *_] = self.renew()
        if status == "behind":
            self.recover()
        self.has_run = self.has_run and status != "lost"

    def _words(self, call: ScriptCall) -> list[Any]:
        answer = super()._words(call)
        if call.script != scripts.load("append"):
            return answer
        if answer[0] in ("missing", "behind"):
            self.recover()
            answer = super()._words(call)
        self.has_run = self.has_run and answer[0] == "ok"
        if self.has_run:
            self.written.append(call)
            # As when a reply is lost.
            assert super()._words(call) == answer
        return answer


class Life:
    """One run, and all that may happen to it."""

    def __init__(self, client: redis.Redis, seed: int) -> None:
        self.client = client
        self.random = random.Random(seed)
        accept(client)
        doorbell: Any = Silence()
        self.driver = Driver(client, doorbell)
        self.workers = [Worker(client, f"w{n}") for n in range(3)]
        self.past: list[str] = []
        self.sync()

    def step(self) -> None:
        """Let one thing happen, and look at what has come of it."""
        holders = [worker for worker in self.workers if worker.has_run]
        if holders and self.random.random() < 0.7:
            worker = self.random.choice(holders)
            act = self.random.choice(self.works)
            self.past.append(f"{worker.worker_id} {act.__name__}")
            act(worker)
        else:
            happen = self.random.choice(self.happenings)
            self.past.append(happen.__name__)
            happen()
        self.check()

    @property
    def works(self) -> list[Callable[[Worker], None]]:
        """What a worker does that takes the run for its own; some of it more often."""
        return [
            *(self.think, self.think, self.think, self.run_a_tool, self.end_a_tool, self.ask_and_wait),
            *(self.renew, self.hand_over, self.freeze_or_die, self.complete),
        ]

    @property
    def happenings(self) -> list[Callable[[], None]]:
        return [
            *(self.claim, self.claim, self.claim, self.lapse_and_sweep, self.wait_and_sweep, self.cancel),
            *(self.decide, self.decide_by_clock, self.sync, self.sync, self.lose_the_last_writes, self.lose_and_claim),
        ]

    def claim(self) -> None:
        worker = self.random.choice(self.workers)
        if not worker.has_run:
            worker.take()

    def think(self, worker: Worker) -> None:
        if self._begin(worker):
            text = f"thought {len(self.past)}"
            data = AgentThinkingData(text=text, delta=False, step=1)
            entries = Entries(journal={text: b"{}"})
            worker.append(AgentThinking(**worker.envelope(), data=data), entries=entries)

    def run_a_tool(self, worker: Worker) -> None:
        if self._begin(worker):
            worker.begin_tool(self._new_call_id())

    def end_a_tool(self, worker: Worker) -> None:
        # It knows what it has begun and ended, also while the server does not.
        worker.keep_lease()
        tools = [item for item in OpenCalls(self.story).innermost_first() if isinstance(item, OpenTool)]
        if tools and self._begin(worker):
            data = ToolCompletedData(call_id=tools[0].call_id, tool_name="x", status="ok", duration_ms=1)
            worker.append(ToolCompleted(**worker.envelope(), data=data))

    def ask_and_wait(self, worker: Worker) -> None:
        call_id = self._new_call_id()
        if self._begin(worker) and worker.begin_tool(call_id)[0] == "ok" and worker.ask(call_id)[0] == "ok":
            worker.release(RunState.WAITING)
            worker.has_run = False

    def renew(self, worker: Worker) -> None:
        worker.keep_lease()

    def hand_over(self, worker: Worker) -> None:
        worker.release(RunState.QUEUED, "handed over")
        worker.has_run = False

    def freeze_or_die(self, worker: Worker) -> None:
        """It comes back by and by, or takes another attempt."""
        worker.has_run = self.random.random() < 0.5
        self.lapse_and_sweep()

    def complete(self, worker: Worker) -> None:
        for _ in range(len(OpenCalls(self.story).innermost_first())):
            self.end_a_tool(worker)
        is_closed = len(OpenCalls(self.story).innermost_first()) == 1
        if worker.has_run and is_closed and len(self.story) >= MIN_EVENTS:
            worker.complete()
            worker.has_run = False

    def lapse_and_sweep(self) -> None:
        change(self.client, lease_until=1)
        self.sweep()

    def wait_and_sweep(self) -> None:
        change(self.client, ready_at=0, queued_at=server_ms(self.client) - 20_000)
        self.sweep()

    def cancel(self) -> None:
        if len(self.story) < MIN_EVENTS or self.random.random() < 0.5:
            return
        state = run_script(self.client, scripts.cancel(RUN, by="user"))
        if state in (b"queued", b"waiting"):
            self.driver.do(conclude(RUN, stopped("user"), retention_ms=RETENTION_MS))

    def decide(self, *, by_clock: bool = False) -> None:
        fields: Any = self.client.hgetall(keys.approvals(RUN))
        for call_id, approval in read_approvals(fields).items():
            verdict = Verdict(decision="expired" if by_clock else "denied", by="" if by_clock else USER)
            record = read(self.client)
            call = scripts.decide(
                RUN,
                call_id,
                by="clock" if by_clock else "person",
                decision=codec.encode(verdict),
                attempt=record.attempt,
                resolved=resolved_draft(record, call_id, approval.request, verdict),
            )
            run_script(self.client, call)

    def decide_by_clock(self) -> None:
        for call_id in {name.partition(":")[0] for name in self._approval_fields()}:
            self.client.hset(keys.approvals(RUN), f"{call_id}:expires", 1)
        self.decide(by_clock=True)

    def sync(self) -> None:
        """What is written by now will not be lost."""
        self.snapshot = Snapshot(self.client, RUN, *LISTS)

    def lose_the_last_writes(self) -> None:
        self.snapshot.put_back()

    def lose_and_claim(self) -> None:
        """A number that was given out may be given out again."""
        self.snapshot.put_back()
        worker = self.random.choice(self.workers)
        worker.has_run = False
        worker.take()

    def sweep(self) -> None:
        self.driver.do(sweep(sweep_settings(max_losses=MAX_LOSSES)))

    def check(self) -> None:
        """What must be so at any moment."""
        events, record = self.story, read(self.client)
        assert (record.last_seq, record.last_cursor) == (len(events), events[-1].cursor if events else "")
        attempts = [event.attempt for event in events]
        assert attempts == sorted(attempts)
        terminal = [event.seq for event in events if event.terminal]
        assert terminal == ([len(events)] if record.is_finished else [])
        if record.is_finished:
            assert_whole_story(events)
            assert not self.client.exists(keys.journal(RUN))
        if record.state != RunState.RUNNING:
            assert record.owner == ""
        holders = [w for w in self.workers if (w.attempt, w.token) == (record.attempt, record.token)]
        assert not record.attempt or len(holders) <= 1
        self._check_that_all_writes_are_there(holders)

    def _check_that_all_writes_are_there(self, holders: list[Worker]) -> None:
        """Each write is in the log once and in order, but for those that the server has lost and does not know of."""
        for worker in holders:
            number = int(self.client.hget(keys.run(RUN), "number") or 0)
            written = [call.args[4] for call in worker.written[:number] if call.args[5]]
            tags = [event.cursor.partition("-")[2] for event in self.story if event.attempt == worker.attempt]
            assert [tag for tag in tags if tag in written] == written

    def end(self) -> None:
        """All workers die; what is left must end by itself."""
        for _ in range(2 * MAX_LOSSES + 2):
            record = read(self.client)
            if record.is_finished:
                break
            change(self.client, lease_until=1, queued_at=server_ms(self.client) - 10**6, ready_at=0)
            if record.state == RunState.WAITING:
                self.decide_by_clock()
            self.sweep()
        self.check()
        assert read(self.client).is_finished
        self.sweep()
        assert (listed(self.client), queue_of(self.client)) == ([], [])

    @property
    def story(self) -> list[Event]:
        return story(self.client)

    def _begin(self, worker: Worker) -> bool:
        """The first thing that a worker tells; False when it has found out that the run is not its own."""
        if worker.has_run and not self.story:
            worker.start()
        return worker.has_run

    def _new_call_id(self) -> str:
        return f"a1.t{len(self.past)}"

    def _approval_fields(self) -> list[str]:
        fields: Any = self.client.hkeys(keys.approvals(RUN))
        return [field.decode() for field in fields]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_a_story_ends_once_and_whole(bytes_client: redis.Redis, seed: int) -> None:
    life = Life(bytes_client, seed)
    try:
        for _ in range(STEPS):
            life.step()
        life.end()
    except Exception as error:
        error.add_note("\n".join(life.past))
        raise
