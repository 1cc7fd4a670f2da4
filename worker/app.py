"""The Celery application of the worker: thin tasks around a `WorkerRuntime`."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from typing import Any

from celery import Celery, signals

from worker.agent.errors import RegistrationError
from worker.agent.registry import load_registry
from worker.contract.commands import DEFAULT_QUEUE, EXECUTE_RUN
from worker.contract.log_lines import configure_logs
from worker.runtime import WorkerRuntime
from worker.settings import WorkerSettings
from worker.wiring import Wiring, quick_check

logger = logging.getLogger(__name__)

#: One line per run is ours; theirs would be one per message and one per HTTP call.
_QUIET_LOGGERS = ("celery.worker.strategy", "celery.app.trace", "httpx2", "httpcore2", "openai", "anthropic")
#: Connections that Celery needs beside one for each acknowledgement under way.
_SPARE_CONNECTIONS = 20


def create_app(settings: WorkerSettings) -> Celery:
    """Make the application. Nothing connects before a worker starts."""
    app = Celery("outloud")
    app.config_from_object("celeryconfig")
    app.conf.broker_url = settings.redis_url
    app.conf.worker_concurrency = settings.concurrency
    app.conf.broker_transport_options = {
        **app.conf.broker_transport_options,
        "max_connections": settings.concurrency + _SPARE_CONNECTIONS,
    }
    _Process(app, settings).register()
    return app


def _refuse_unwired(found: Sequence[Wiring]) -> None:
    problems = [f"{agent}: {problem}" for agent, problems in found for problem in problems]
    if problems:
        raise RegistrationError("some agents would work unseen:\n  " + "\n  ".join(problems))


class _Process:
    """Ties a runtime to the life of the worker process that Celery runs."""

    def __init__(self, app: Celery, settings: WorkerSettings) -> None:
        self._app = app
        self._settings = settings
        self._runtime: WorkerRuntime | None = None

    def register(self) -> None:
        self._app.task(name=EXECUTE_RUN)(self.execute_run)
        signals.setup_logging.connect(self._keep_our_logs, weak=False)
        signals.worker_init.connect(self._start, weak=False)
        signals.worker_shutting_down.connect(self._drain, weak=False)
        signals.worker_shutdown.connect(self._stop, weak=False)

    def execute_run(self, run_id: str) -> None:
        if self._runtime is None:
            raise RuntimeError("a run came before the worker was ready")
        if not self._runtime.execute(run_id):
            # The message has come to a worker that stops; it takes no more, so another one gets this.
            self._ring(run_id)

    def _keep_our_logs(self, **_: Any) -> None:
        """Being connected is enough: Celery leaves the configuration of logs alone."""

    def _start(self, **_: Any) -> None:
        configure_logs(quiet=_QUIET_LOGGERS)
        try:
            registry = load_registry(self._settings.agents)
            _refuse_unwired(asyncio.run(quick_check(registry)))
            runtime = WorkerRuntime(self._settings, registry, ring=self._ring)
            runtime.start()
        except Exception as error:
            # Celery would log an exception from a signal and carry on without a runtime.
            raise SystemExit(f"outloud worker: {error}") from error
        self._runtime = runtime
        logger.info(
            "worker ready", extra={"action": "worker_ready", "worker_id": runtime.worker_id, "agents": len(registry)}
        )

    def _drain(self, **_: Any) -> None:
        if self._runtime is not None:
            self._runtime.drain()

    def _stop(self, **_: Any) -> None:
        if self._runtime is None:
            return
        self._runtime.stop()
        if self._runtime.has_stuck_tools:
            # Python waits for every OS thread at its exit, and a tool that never returns would keep the process.
            logging.shutdown()
            os._exit(0)

    def _ring(self, run_id: str) -> None:
        self._app.send_task(EXECUTE_RUN, args=[run_id], queue=DEFAULT_QUEUE)
