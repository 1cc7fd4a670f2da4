"""The people of a seed: they send messages until they are accepted, stop some runs, and say yes or no when asked."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

from tests.faults.asking import Answer, ask
from tests.faults.history import Decided, History, Outcome, Posted, StopAsked
from tests.faults.schedule import PlannedRun, Schedule
from tests.faults.viewers import Viewer

_RETRY_SECONDS = (0.1, 0.5)


class Person:
    """One user: everything of a seed is theirs."""

    def __init__(self, urls: Sequence[str], history: History, rng: random.Random) -> None:
        self._urls = urls
        self._history = history
        self._rng = rng
        self.cookie = ""
        self.user_id = ""
        self._plans: dict[str, PlannedRun] = {}
        self._accepted: dict[str, asyncio.Future[str]] = {}
        self._asked: set[tuple[str, str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def sign_in(self) -> None:
        """Get a cookie."""
        while not self.cookie:
            answer = await self._ask("GET", "/api/session")
            if answer.status == 200:
                self.user_id, self.cookie = answer.body["user_id"], answer.cookie
            else:
                await self._pause()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def accepted(self, name: str) -> asyncio.Future[str]:
        """The id of a run, when it has one."""
        return asyncio.shield(self._future(name))

    def has_accepted(self, name: str) -> bool:
        return self._future(name).done()

    @property
    def run_ids(self) -> list[str]:
        """The runs that were accepted so far."""
        return [future.result() for future in self._accepted.values() if future.done() and not future.cancelled()]

    def viewers(self, schedule: Schedule) -> list[Viewer]:
        return [
            Viewer(
                plan,
                urls=self._urls,
                cookie=self.cookie,
                accepted=self.accepted,
                history=self._history,
                on_approval=self._begin_to_decide,
                rng=random.Random(f"{schedule.seed} {plan.name}"),
            )
            for plan in schedule.viewers
        ]

    async def ask_for(self, plan: PlannedRun) -> None:
        """Send the message, again and again with one key, until it is accepted; stop the run if that is planned."""
        self._plans[plan.name] = plan
        await asyncio.sleep(plan.at)
        message = {"message": plan.name, "agent": plan.agent, "idempotency_key": plan.name}
        while True:
            status, body, _ = await self._ask("POST", "/api/runs", message)
            run_id = body.get("run_id", "") if status == 202 else ""
            self._history.add(Posted(run=plan.name, outcome=_outcome(status, 202), status=status, run_id=run_id))
            if run_id:
                break
            await self._pause()
        self._future(plan.name).set_result(run_id)
        if plan.stop_after is not None:
            await asyncio.sleep(plan.stop_after)
            await self._stop(run_id)

    async def _stop(self, run_id: str) -> None:
        while True:
            begun = time.monotonic()
            status, body, _ = await self._ask("POST", f"/api/runs/{run_id}/cancel")
            took = time.monotonic() - begun
            state = body.get("state", "") if status == 202 else ""
            self._history.add(StopAsked(run_id=run_id, outcome=_outcome(status, 202), state=state, seconds=took))
            if status in (202, 404):
                return
            await self._pause()

    def _begin_to_decide(self, run_id: str, call_id: str) -> None:
        if (run_id, call_id) not in self._asked:
            self._asked.add((run_id, call_id))
            task = asyncio.create_task(self._decide(run_id, call_id))
            self._tasks.add(task)

    async def _decide(self, run_id: str, call_id: str) -> None:
        plan = next(plan for name, plan in self._plans.items() if self._has(name, run_id))
        await asyncio.sleep(plan.thinks_for)
        decision = "approved" if plan.approves else "denied"
        while True:
            status, body, _ = await self._ask("POST", f"/api/runs/{run_id}/approvals/{call_id}", {"decision": decision})
            # An answer that was lost has decided: then we are told of our own decision.
            said = body.get("decision") or (body.get("error", {}).get("detail") or {}).get("decision", decision)
            outcome: Outcome = (
                "done" if status == 200 or (status == 409 and said == decision) else _outcome(status, 200)
            )
            entry = Decided(run_id=run_id, call_id=call_id, decision=decision, outcome=outcome, status=status)
            self._history.add(entry)
            if outcome == "done" or status in (404, 409):
                return
            await self._pause()

    async def _ask(self, method: str, path: str, body: object = None) -> Answer:
        """Ask at any of the doors."""
        return await ask(self._rng.choice(self._urls), method, path, body=body, cookie=self.cookie)

    async def _pause(self) -> None:
        await asyncio.sleep(self._rng.uniform(*_RETRY_SECONDS))

    def _future(self, name: str) -> asyncio.Future[str]:
        if name not in self._accepted:
            self._accepted[name] = asyncio.get_running_loop().create_future()
        return self._accepted[name]

    def _has(self, name: str, run_id: str) -> bool:
        future = self._accepted.get(name)
        return future is not None and future.done() and future.result() == run_id


def _outcome(status: int, good: int) -> Outcome:
    if status == good:
        return "done"
    return "refused" if status else "unknown"
