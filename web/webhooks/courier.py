"""Tells a webhook of outcomes that nobody has seen: one OS thread with an event loop in every web process.

All processes take from one list, and what one has taken the others do not see for a while. A process that dies in the
middle of a try leaves the run to be taken again, so a receiver may be told twice, by one id. A person who comes while
tries are still to be made ends them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import httpx2
from redis.exceptions import RedisError

from web.settings import WebSettings
from web.webhooks.unseen import UnseenRuns
from web.webhooks.webhook import MAX_TRIES, Message, outcome_message, signed_headers, wait_seconds
from worker.contract.lost_errors import log_loop_error
from worker.contract.metric import UNMETERED, Meter
from worker.contract.metrics import WEBHOOKS

logger = logging.getLogger(__name__)

_random = random.SystemRandom()
#: Time for what was cancelled to end.
_CANCEL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Times in seconds."""

    #: How late a webhook may be; an empty list costs Redis a few microseconds.
    look: float = 1.0
    #: Without a webhook the list only has to be emptied now and then.
    clear: float = 5.0
    #: After Redis did not answer.
    away: float = 5.0
    #: One request, from connecting to the answer's status.
    post: float = 10.0
    #: A run that was taken is out of others' sight for so long: more than twice what a round can take.
    hidden: float = 60.0
    #: The waits between tries, times this.
    wait_scale: float = 1.0
    #: Requests at one time: a receiver that is slow to answer one does not hold up all.
    requests: int = 8


class Courier:
    """The OS thread. `start` (after a fork), `begin_stop` and `stop` may be called from any other."""

    def __init__(self, settings: WebSettings, *, pace: Pace | None = None, meter: Meter = UNMETERED) -> None:
        self._settings = settings
        self._meter = meter
        self._pace = pace or Pace()
        self._os_thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event
        self._work: asyncio.Task[None]

    def start(self) -> None:
        """Start the OS thread, once; does not wait for Redis."""
        if self._os_thread is None:
            is_ready = threading.Event()
            self._os_thread = threading.Thread(target=self._run, args=(is_ready,), name="courier", daemon=True)
            self._os_thread.start()
            is_ready.wait()

    def begin_stop(self) -> None:
        """Begin nothing more; returns at once. May be called from a signal handler."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # It has ended already.
                self._loop.call_soon_threadsafe(self._stopping.set)

    def stop(self, timeout: float = 2.0) -> None:
        """End the OS thread; what is under way gets `timeout` seconds to end well, else it will be taken again."""
        if self._loop is None or self._os_thread is None:
            return
        self.begin_stop()
        self._os_thread.join(timeout)
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._work.cancel)
        self._os_thread.join(_CANCEL_SECONDS)

    def _run(self, is_ready: threading.Event) -> None:
        asyncio.run(self._serve(is_ready))

    async def _serve(self, is_ready: threading.Event) -> None:
        self._stopping = asyncio.Event()
        self._work = asyncio.create_task(self._go_rounds())
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(log_loop_error)
        is_ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self._work

    async def _go_rounds(self) -> None:
        pace = self._pace
        runs = UnseenRuns(self._settings.redis_url, hidden_ms=round(pace.hidden * 1000))
        async with contextlib.AsyncExitStack() as opened:
            await opened.enter_async_context(contextlib.aclosing(runs))
            go: Callable[[], Awaitable[float]] = partial(_clear, runs, pace)
            if self._settings.webhook_url:
                http = httpx2.AsyncClient(timeout=pace.post, follow_redirects=False)
                go = _Round(self._settings, pace, runs, await opened.enter_async_context(http), self._meter).go
            while not self._stopping.is_set():
                wait = await _guarded(go, pace)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), wait)


class _Round:
    """What is done again and again on the event loop."""

    def __init__(
        self, settings: WebSettings, pace: Pace, runs: UnseenRuns, http: httpx2.AsyncClient, meter: Meter
    ) -> None:
        self._settings = settings
        self._pace = pace
        self._runs = runs
        self._http = http
        self._meter = meter

    async def go(self) -> float:
        """Tell of what is due; answers how many seconds to wait then."""
        taken = await self._runs.take(delay_ms=self._settings.webhook_delay_ms, limit=self._pace.requests)
        if taken.dropped:
            self._meter.count(WEBHOOKS, "dropped", by=taken.dropped)
            logger.error("unseen outcomes dropped", extra={"action": "unseen_dropped", "runs": taken.dropped})
        await asyncio.gather(*map(self._attend_to, taken.run_ids))
        return 0.0 if len(taken.run_ids) == self._pace.requests else self._pace.look

    async def _attend_to(self, run_id: str) -> None:
        """Do what a taken run needs; if that fails here, the run comes back by itself."""
        try:
            is_settled = await self._tell(run_id)
            if is_settled:
                await self._runs.forget(run_id)
        except RedisError as error:
            _warn(run_id, f"Redis did not answer: {error}")
        except Exception:
            logger.exception("webhook not sent", extra={"action": "webhook_failed", "run_id": run_id})

    async def _tell(self, run_id: str) -> bool:
        """Tell of a run if there is still need; answers whether nothing is left to do."""
        case = await self._runs.begin(run_id, tries=MAX_TRIES)
        if case.record is None:
            if case.word == "spent":
                self._give_up(run_id)
            return True
        message = outcome_message(case.record, await self._runs.failure_of(case.record))
        problem = await self._post(message)
        if not problem:
            self._meter.count(WEBHOOKS, "sent")
            logger.info("webhook sent", extra={"action": "webhook_sent", "run_id": run_id, "try": case.number})
            await self._runs.note_told(run_id)
            return True
        _warn(run_id, problem, tries=case.number)
        if case.number >= MAX_TRIES:
            self._give_up(run_id)
            return True
        self._meter.count(WEBHOOKS, "failed")
        wait = wait_seconds(case.number, random=_random.random) * self._pace.wait_scale
        await self._runs.put_off(run_id, seconds=wait)
        return False

    def _give_up(self, run_id: str) -> None:
        self._meter.count(WEBHOOKS, "given_up")
        logger.error("webhook given up", extra={"action": "webhook_given_up", "run_id": run_id, "tries": MAX_TRIES})

    async def _post(self, message: Message) -> str:
        """Send once; answers what was wrong, nothing if all is well."""
        headers = signed_headers(message, self._settings.webhook_key, now=int(time.time()))
        url = self._settings.webhook_url
        try:
            # Over all: the client's own limit is for each step, and an answer may come byte by byte.
            async with (
                asyncio.timeout(self._pace.post),
                self._http.stream("POST", url, content=message.body, headers=headers) as response,
            ):
                return "" if response.is_success else f"HTTP {response.status_code}"
        except TimeoutError:
            return f"no answer within {self._pace.post:g} s"
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return f"{type(error).__name__}: {error}"


async def _clear(runs: UnseenRuns, pace: Pace) -> float:
    """Without a webhook nobody is told, and the list must not grow."""
    await runs.forget_all()
    return pace.clear


async def _guarded(go: Callable[[], Awaitable[float]], pace: Pace) -> float:
    try:
        return await go()
    except RedisError as error:
        logger.warning("unseen outcomes not read", extra={"action": "unseen_unread", "reason": str(error)})
    except Exception:
        logger.exception("courier failed", extra={"action": "courier_failed"})
    return pace.away


def _warn(run_id: str, problem: str, *, tries: int = 0) -> None:
    facts = {"action": "webhook_failed", "run_id": run_id, "try": tries, "reason": problem}
    logger.warning("webhook not sent", extra=facts)
