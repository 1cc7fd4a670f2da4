"""The Celery application of the worker: thin tasks around a `WorkerRuntime`."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from typing import Any

import celery.apps.worker
from celery import Celery, current_task, signals
from redis.exceptions import RedisError

from worker.agent.errors import RegistrationError
from worker.agent.registry import AgentRegistry, load_registry
from worker.contract.broker import Limits, worker_settings
from worker.contract.commands import EXECUTE_RUN, broker_queue
from worker.contract.log_lines import bound, configure_logs, write_at_once
from worker.contract.lost_errors import catch_lost_errors
from worker.contract.obstacles import explain
from worker.contract.server import warning_of
from worker.contract.trace_export import TraceExport
from worker.redis_client import await_redis
from worker.runtime import WorkerRuntime
from worker.settings import WorkerSettings
from worker.task_events import name_worker, send_task_events
from worker.wiring import Wiring, problems_of, quick_check

logger = logging.getLogger(__name__)

#: One line per run is ours; theirs would be one per message and one per HTTP call.
_QUIET_LOGGERS = ("celery.worker.strategy", "celery.app.trace", "httpx2", "httpcore2", "openai", "anthropic")
#: Connections that Celery needs beside one for each acknowledgement under way.
_SPARE_CONNECTIONS = 20


def create_app(settings: WorkerSettings) -> Celery:
    """Make the application. Nothing connects before a worker starts."""
    app = Celery("outloud")
    app.config_from_object("celeryconfig")
    app.conf.worker_concurrency = settings.concurrency
    limits = Limits(connect_seconds=5, command_seconds=10, connections=settings.concurrency + _SPARE_CONNECTIONS)
    app.conf.update(worker_settings(settings.broker_url, limits))
    if settings.task_events:
        send_task_events(app)
    _Process(app, settings).register()
    return app


def _say(message: str, *_: Any) -> None:
    """Stands where Celery prints plain words in its signal handlers."""
    write_at_once("celery.apps.worker", message.strip())


def _refuse_unwired(found: Sequence[Wiring]) -> None:
    if problems := problems_of(found):
        raise RegistrationError("some agents would work unseen:\n  " + "\n  ".join(problems))


def choose_queues(registry: AgentRegistry, wanted: Sequence[str]) -> Sequence[str]:
    """Say whose runs this worker takes: of all agents unless the setting names some.

    Raises:
        RegistrationError: No agent has any of these queues, so the worker would wait for ever.
    """
    unknown = [name for name in wanted if name not in registry.queues]
    if not unknown:
        return wanted or registry.queues
    names = f"no agent has the queue {', '.join(unknown)}; there are {', '.join(registry.queues)}"
    if len(unknown) == len(wanted):
        raise RegistrationError(f"QUEUES: {names}")
    # One that agents had before: its last runs still need a worker.
    logger.warning("QUEUES: %s", names, extra={"action": "unknown_queue"})
    return wanted


class _Process:
    """Ties a runtime to the life of the worker process that Celery runs."""

    def __init__(self, app: Celery, settings: WorkerSettings) -> None:
        self._app = app
        self._settings = settings
        self._runtime: WorkerRuntime | None = None
        self._traces = TraceExport("outloud-worker", os.environ)

    def register(self) -> None:
        self._app.task(name=EXECUTE_RUN)(self.execute_run)
        celery.apps.worker.safe_say = _say
        signals.setup_logging.connect(self._keep_our_logs, weak=False)
        signals.worker_init.connect(self._start, weak=False)
        signals.worker_shutting_down.connect(self._drain, weak=False)
        signals.worker_shutdown.connect(self._stop, weak=False)

    def execute_run(self, run_id: str) -> str | None:
        if self._runtime is None:
            raise RuntimeError("a run came before the worker was ready")
        with bound(run_id=run_id):
            is_taken = self._runtime.execute(run_id)
        if not is_taken:
            # The message has come to a worker that stops; it takes no more, so another one of its queue gets this.
            request = current_task.request
            self._send(run_id, request.delivery_info["routing_key"], request.shadow or "")
        # Kept by nobody; Flower shows it.
        return self._runtime.state_of(run_id) if self._settings.task_events else None

    def _keep_our_logs(self, **_: Any) -> None:
        """Being connected is enough: Celery leaves the configuration of logs alone."""

    def _start(self, sender: Any = None, **_: Any) -> None:
        configure_logs(level=self._settings.log_level, quiet=_QUIET_LOGGERS)
        catch_lost_errors()
        try:
            registry = load_registry(self._settings.agents)
            _refuse_unwired(asyncio.run(quick_check(registry)))
            queues = choose_queues(registry, self._settings.queues)
            if warning := warning_of(await_redis(self._settings)):
                logger.warning(warning, extra={"action": "server_checked"})
            runtime = WorkerRuntime(self._settings, registry, ring=self._ring, queues=queues)
            # Before the reaper, which may find something at once.
            self._traces.start()
            runtime.start()
        except RedisError as error:
            raise SystemExit(f"outloud worker: {explain(error, self._settings.redis_url).words}") from error
        except Exception as error:
            # Celery would log an exception from a signal and carry on without a runtime.
            raise SystemExit(f"outloud worker: {error}") from error
        self._runtime = runtime
        if self._settings.task_events:
            name_worker(sender, runtime.worker_id)
        # Before Celery begins to consume, and for good: it then takes no queue that it merely rings in.
        self._app.amqp.queues.select([broker_queue(name) for name in queues])
        facts = {"action": "worker_ready", "worker_id": runtime.worker_id, "agents": len(registry)}
        logger.info("worker ready", extra={**facts, "queues": ",".join(queues)})

    def _drain(self, **_: Any) -> None:
        if self._runtime is not None:
            self._runtime.drain()

    def _stop(self, **_: Any) -> None:
        if self._runtime is None:
            return
        self._runtime.stop()
        self._traces.stop()
        if self._runtime.has_stuck_tools:
            # Python waits for every OS thread at its exit, and a tool that never returns would keep the process.
            logging.shutdown()
            os._exit(0)

    def _ring(self, run_id: str, queue: str, agent: str) -> None:
        self._send(run_id, broker_queue(queue), agent)

    def _send(self, run_id: str, queue: str, agent: str) -> None:
        self._app.send_task(EXECUTE_RUN, args=[run_id], queue=queue, shadow=agent or None)
