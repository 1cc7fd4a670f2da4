"""Many users at once, each with a cookie and a viewer; what they saw is judged by the rules of the fault suite."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.faults import history as h
from tests.faults import log_rules, viewer_rules
from tests.faults.facts import Facts, Violation
from tests.faults.schedule import Fault, PlannedViewer, Schedule
from tests.faults.viewers import Viewer
from tests.staging.target import Target
from tests.support.waiting import scaled

RULES = (
    viewer_rules.in_order,
    viewer_rules.equal_to_log,
    viewer_rules.complete,
    viewer_rules.resets_have_a_reason,
    viewer_rules.close_codes,
    log_rules.numbered,
    log_rules.one_end,
    log_rules.fenced,
    log_rules.tools_closed,
    log_rules.outcome,
    log_rules.usage_once,
)
_HTTP_SECONDS = 30.0


@dataclass
class Seen:
    """What came of a crowd."""

    history: h.History = field(default_factory=h.History)
    run_ids: list[str] = field(default_factory=list)
    #: When a message was sent, in Unix seconds, by run.
    sent_at: dict[str, float] = field(default_factory=dict)

    @property
    def violations(self) -> list[Violation]:
        """Every rule that does not hold."""
        facts = Facts(self.history.entries)
        return [violation for rule in RULES for violation in rule(facts)]

    @property
    def events(self) -> int:
        """How many events reached viewers."""
        return len(h.of(h.Received, self.history.entries))

    @property
    def first_events(self) -> list[float]:
        """Seconds from a message to the first event in front of its sender, sorted."""
        first: dict[str, float] = {}
        for entry in h.of(h.Received, self.history.entries):
            first.setdefault(entry.run_id, entry.at)
        return sorted(at - self.sent_at[run_id] for run_id, at in first.items())

    @property
    def longest_cut(self) -> float:
        """The longest time that a viewer who wanted one was without a connection, in seconds."""
        return max(self._cuts(), default=0.0)

    @property
    def cuts(self) -> int:
        """How often a viewer lost its connection before it had seen everything."""
        return len(list(self._cuts()))

    @property
    def attempts(self) -> list[int]:
        """How many attempts each run took."""
        return [final.log[-1]["attempt"] for final in h.of(h.FinalRun, self.history.entries)]

    @property
    def longest_silence(self) -> float:
        """The longest time between two events of a run, in seconds."""
        facts = Facts(self.history.entries)
        times = (until - since for final in facts.finals.values() for since, until in log_rules.silences(facts, final))
        return max(times, default=0.0)

    def _cuts(self) -> Iterator[float]:
        cut_at: dict[str, float] = {}
        for entry in self.history.entries:
            if isinstance(entry, h.Closed) and entry.code:
                cut_at[entry.viewer] = entry.at
            elif isinstance(entry, h.Subscribed) and entry.viewer in cut_at:
                yield entry.at - cut_at.pop(entry.viewer)


def watch_many(
    target: Target,
    messages: Sequence[str],
    *,
    agent: str,
    seconds: float,
    meanwhile: Callable[[], object] | None = None,
    restarts: bool = False,
) -> Seen:
    """Let one user send each message and watch its run to the end.

    Args:
        seconds: how long all of it may take.
        meanwhile: what is done to the system once every message was accepted; in an OS thread of its own.
        restarts: web processes end meanwhile, so that connections may be closed with 1012.
    """
    return asyncio.run(_watch_many(target, messages, agent, seconds, meanwhile, restarts))


async def _watch_many(
    target: Target,
    messages: Sequence[str],
    agent: str,
    seconds: float,
    meanwhile: Callable[[], object] | None,
    restarts: bool,
) -> Seen:
    seen = Seen()
    seen.history.add(h.Begun(schedule=Schedule(seed=0, runs=(), viewers=(), faults=())))
    if restarts:
        seen.history.add(h.FaultBegun(fault=Fault(at=0, kind="rolling")))
    async with AsyncExitStack() as stack, asyncio.timeout(scaled(seconds)):
        guests = [_Guest(target, f"user {n}", stack, seen) for n in range(len(messages))]
        await asyncio.gather(*(guest.sign_in() for guest in guests))
        watching = asyncio.gather(*(guest.ask(text, agent) for guest, text in zip(guests, messages, strict=True)))
        if meanwhile is not None:
            await asyncio.gather(*(guest.accepted for guest in guests))
            await asyncio.to_thread(meanwhile)
        await watching
        for guest in guests:
            await guest.read_log()
    return seen


class _Guest:
    """One user with one run."""

    def __init__(self, target: Target, name: str, stack: AsyncExitStack, seen: Seen) -> None:
        self._target = target
        self._name = name
        self._stack = stack
        self._seen = seen
        self.accepted: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def sign_in(self) -> None:
        client = httpx.AsyncClient(base_url=self._target.url, verify=self._target.tls or True, timeout=_HTTP_SECONDS)
        self._http = await self._stack.enter_async_context(client)
        (await self._http.get("/api/session")).raise_for_status()

    async def ask(self, text: str, agent: str) -> None:
        """Send the message and watch what comes of it."""
        cookie = "; ".join(f"{name}={value}" for name, value in self._http.cookies.items())
        viewer = Viewer(
            PlannedViewer(name=self._name, kind="steady", runs=(self._name,)),
            urls=[self._target.url],
            cookie=cookie,
            accepted=lambda _: asyncio.shield(self.accepted),
            history=self._seen.history,
            on_approval=lambda *_: None,
            rng=random.Random(self._name),
            tls=self._target.tls,
        )
        await asyncio.gather(viewer.watch(), self._post(text, agent))

    async def read_log(self) -> None:
        """Read the run as the server has it."""
        run_id = self.accepted.result()
        record = (await self._http.get(f"/api/runs/{run_id}")).raise_for_status().json()
        log: list[dict[str, Any]] = []
        while True:
            path = f"/api/runs/{run_id}/events"
            page = (await self._http.get(path, params={"after": len(log)})).raise_for_status().json()
            log += page["events"]
            if not page["more"]:
                break
        fields = {name: str(value) for name, value in record.items()}
        self._seen.history.add(h.FinalRun(run_id=run_id, run=self._name, record=fields, log=tuple(log)))

    async def _post(self, text: str, agent: str) -> None:
        sent_at = time.time()
        answer = await self._http.post("/api/runs", json={"message": text, "agent": agent})
        answer.raise_for_status()
        run_id = answer.json()["run_id"]
        self._seen.run_ids.append(run_id)
        self._seen.sent_at[run_id] = sent_at
        self._seen.history.add(h.Posted(run=self._name, outcome="done", status=answer.status_code, run_id=run_id))
        self.accepted.set_result(run_id)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which so many percent of the sorted values are."""
    return values[min(len(values) - 1, len(values) * percent // 100)]
