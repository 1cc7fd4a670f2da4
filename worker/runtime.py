"""WorkerRuntime: what a worker process has one of, built by constructor arguments and running on one event loop.

The loop has an OS thread of its own. Celery's OS threads each wait for the run that they were rung for.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

import uvloop
from redis.asyncio import Redis
from redis.exceptions import RedisError

from worker.agent.invocation import AgentParts
from worker.agent.redaction import Redactor
from worker.agent.registry import AgentRegistry
from worker.background import end, repeat
from worker.contract import keys
from worker.contract.catalogue import Catalogue
from worker.contract.codec import encode
from worker.contract.connections import files_share, worker_share
from worker.contract.lost_errors import log_loop_error
from worker.contract.meters import Meters
from worker.contract.metrics import RUNS_RUNNING
from worker.control import listen
from worker.engine import EngineLimits, ExecutionEngine
from worker.figures import Figures
from worker.leases import RENEWALS_PER_LEASE, LeaseKeeper
from worker.log import RunLog
from worker.log_writer import WriterSettings
from worker.models.source import ModelProvider
from worker.presence import Presence
from worker.reaper import reap
from worker.redis_client import connect, patiently
from worker.settings import WorkerSettings
from worker.workspace.limits import WorkspaceLimits
from worker.workspaces import Workspaces

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Tools that are plain functions, at once. More than the runs, since a run may call several and some never return.
_TOOL_THREADS_PER_RUN = 2
_TOOL_THREADS = "tool"
_IDLE_THREADS_END_SECONDS = 1.0
_ANNOUNCE_SECONDS = 3.0


class WorkerRuntime:
    """Everything of one worker process. `start` and `stop` once each; `execute` from any OS thread in between."""

    def __init__(
        self,
        settings: WorkerSettings,
        registry: AgentRegistry,
        *,
        ring: Callable[[str, str, str], None],
        queues: Sequence[str] = (),
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._ring = ring
        self._queues = queues
        self._meters = Meters()
        self.worker_id = f"wrk_{secrets.token_hex(8)}"
        self._loop = uvloop.new_event_loop()
        self._loop.set_exception_handler(log_loop_error)
        self._thread = threading.Thread(target=self._loop.run_forever, name="agents", daemon=True)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the loop, connect, and tell the world what can run. Blocks until that is done.

        Raises:
            redis.exceptions.RedisError: Redis cannot be used.
        """
        self._thread.start()
        self._wait(self._start())

    def execute(self, run_id: str) -> bool:
        """Look at a run and, if it is for this worker, work on it. Blocks until it ends or is given back.

        False: this worker stops, and another one should look.
        """
        return self._wait(self._engine.execute(run_id))

    def state_of(self, run_id: str) -> str:
        """Say how a run stands, in a word; empty when that is not known."""
        return self._wait(self._state_of(run_id))

    def drain(self) -> None:
        """Begin to stop: running runs are given back at their next step. Does not block; safe in a signal handler."""
        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._drain()))

    def stop(self) -> None:
        """Leave the list of workers, close what is open and stop the loop. Blocks for some seconds at most."""
        self._wait(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    @property
    def has_stuck_tools(self) -> bool:
        """Whether a plain tool still runs after `stop`; waits a moment for idle OS threads to end."""
        deadline = time.monotonic() + _IDLE_THREADS_END_SECONDS
        while any(thread.name.startswith(_TOOL_THREADS) for thread in threading.enumerate()):
            if time.monotonic() > deadline:
                return True
            time.sleep(0.02)
        return False

    async def _start(self) -> None:
        settings = self._settings
        self._client: Redis = connect(settings.redis_url, connections=worker_share(settings.redis_connections))
        self._models = ModelProvider(settings.models)
        # Agents' own `to_thread` and the measuring of results go here; the default has room for six on two processors.
        self._loop.set_default_executor(ThreadPoolExecutor(settings.concurrency, thread_name_prefix="aside"))
        self._executor = ThreadPoolExecutor(
            settings.concurrency * _TOOL_THREADS_PER_RUN, thread_name_prefix=_TOOL_THREADS
        )
        limits = WorkspaceLimits(
            retention_seconds=settings.file_retention_seconds,
            max_file_bytes=settings.max_file_bytes,
            max_user_bytes=settings.max_user_files_bytes,
        )
        self._workspaces = Workspaces(
            settings.data_dir,
            redis_url=settings.redis_url,
            limits=limits,
            connections=files_share(settings.redis_connections),
        )
        writer = WriterSettings(
            worker_id=self.worker_id,
            lease_ms=round(settings.reaping.lease_seconds * 1000),
            silence_ms=round(settings.stall_seconds * 1000),
            retention_ms=settings.retention_ms,
            meter=self._meters,
        )
        log = RunLog(self._client, writer, ring=self._ring_aside)
        self._engine = ExecutionEngine(
            AgentParts(self._registry, self._models, self._executor, self._workspaces.workspace, self._meters),
            log,
            limits=EngineLimits(run_timeout=settings.run_timeout_seconds, approval=settings.approval_seconds),
            redactor=Redactor(self._models.secrets()),
        )
        renew_seconds = settings.reaping.lease_seconds * RENEWALS_PER_LEASE
        leases = LeaseKeeper(self._engine, log, every=renew_seconds, meter=self._meters)
        self._meters.before_reading(lambda: self._meters.set(RUNS_RUNNING, len(self._engine.running)))
        self._figures = Figures(self._client, self.worker_id, self._meters)
        self._presence = Presence(self._client, self.worker_id, concurrency=settings.concurrency, queues=self._queues)
        # Redis was there a moment ago; a start that meets its restart waits for it again.
        await patiently(self._announce, seconds=settings.redis_wait_seconds)
        for work in (
            leases.keep(),
            listen(settings.redis_url, self.worker_id, leases.look),
            reap(
                log,
                settings.reaping.sweep(self.worker_id, retention_ms=settings.retention_ms, meter=self._meters),
            ),
            repeat("life", self._announce, every=_ANNOUNCE_SECONDS),
            self._figures.keep(),
        ):
            self._tasks.append(self._loop.create_task(work))

    async def _ring_aside(self, run_id: str, queue: str, agent: str) -> None:
        """Ring without holding up the loop. A message that cannot be sent is made up for by the reaper."""
        try:
            await asyncio.to_thread(self._ring, run_id, queue, agent)
        except Exception:
            logger.warning("could not ring", extra={"action": "ring_failed", "run_id": run_id}, exc_info=True)

    async def _announce(self) -> None:
        """Say what can run here and that this worker lives. Again and again: a server may lose what it was told."""
        catalogue = Catalogue(
            agents=self._registry.describe(),
            default_agent=self._registry.default.name,
            model=self._models.label,
            offline=self._models.offline,
        )
        await self._client.set(keys.CATALOGUE, encode(catalogue))
        await self._sign_of_life()

    async def _state_of(self, run_id: str) -> str:
        with suppress(RedisError):
            state: Any = await self._client.hget(keys.run(run_id), "state")
            return state.decode() if state else "unknown"
        return ""

    async def _sign_of_life(self) -> None:
        await self._presence.show(runs=len(self._engine.running), draining=self._engine.is_draining)

    async def _drain(self) -> None:
        draining = asyncio.ensure_future(self._engine.drain(self._settings.drain_seconds))
        await asyncio.sleep(0)
        # The next sign of life would come too late to say so: most drains are short.
        with suppress(RedisError):
            await patiently(self._sign_of_life, seconds=0)
        await draining

    async def _stop(self) -> None:
        await end(self._tasks)
        try:
            # No waiting for a server; but whatever a closed connection raises counts as its being away.
            await patiently(self._presence.leave, seconds=0)
            await patiently(self._figures.send_last, seconds=0)
        except RedisError:
            logger.warning("left without saying so", extra={"action": "redis_away"})
        await self._models.aclose()
        await self._client.aclose()
        self._workspaces.close()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
