"""gunicorn's settings, which `python -m web` names; its own options go before them (`python -m web --reload`)."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from types import FrameType
from typing import Any, Protocol

from redis.exceptions import RedisError

from web.settings import WebSettings
from web.stores.client import read_server
from worker.contract.environment import SettingsError
from worker.contract.starting import Patience, StartRefused, await_server


def _read_settings() -> WebSettings:
    try:
        return WebSettings.from_env(os.environ)
    except SettingsError as error:
        raise SystemExit(str(error)) from None


_settings = _read_settings()

bind = f"{_settings.bind_host}:{_settings.port}"

#: gunicorn's gthread worker, the only kind that the relay takes over sockets from, with patience that ends.
worker_class = "web.request_deadline.DeadlineWorker"
workers = _settings.processes
threads = _settings.threads

#: Longer than the idle time of common routers would leave a connection open that they have given up.
keepalive = 5
#: A worker that does not answer its master for this long is stuck. Requests may take longer: they run in other OS
#: threads.
timeout = 30
#: Platforms kill 30 s after SIGTERM.
graceful_timeout = 25

#: A request per line would bury what matters; the platform's router logs them.
accesslog = None
errorlog = "-"
logger_class = "web.gunicorn_log.GunicornLogger"
#: Nobody manages a container through a socket file in its home directory.
control_socket_disable = True

#: Time for browsers to answer the close frame when the process is told to end at once.
_QUICK_STOP_SECONDS = 2.0
_STOP_SECONDS = 5.0
#: Descriptors to ask for where the platform sets no upper bound.
_DESCRIPTORS = 65_536


def on_starting(server: Any) -> None:
    """Refuse to start on an unfit server: one message, instead of a traceback from each process."""
    patience = Patience(_settings.redis_wait_seconds, (RedisError, OSError), server.log.warning)
    url = _settings.redis_url
    try:
        await_server(lambda: read_server(url), url, patience, allow_eviction=_settings.allow_eviction)
    except StartRefused as refused:
        raise SystemExit(f"outloud web: {refused}") from None


def when_ready(server: Any) -> None:
    """Let a process that was stopped for a while (SIGSTOP, SIGCONT) go on: its workers were not stuck."""

    def excuse(signum: int, frame: FrameType | None) -> None:
        for worker in tuple(server.WORKERS.values()):
            worker.tmp.notify()

    signal.signal(signal.SIGCONT, excuse)


def post_fork(server: Any, worker: Any) -> None:
    """Let the process hold as many sockets as the platform allows; many start programs with 1,024."""
    signal.signal(signal.SIGCONT, signal.SIG_DFL)
    # Until the worker has its own handler: the master's would only note the signal, and the worker stay.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if most == resource.RLIM_INFINITY else most
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def post_worker_init(worker: Any) -> None:
    """Start what runs beside the requests, and let SIGTERM reach it at once: the last request may take long."""
    if not worker.alive:
        # Told to stop before it had begun.
        return
    parts = _parts(worker)
    for part in parts:
        part.start()

    def end(signum: int, frame: FrameType | None) -> None:
        # Some platforms signal every process, and the master then passes its own signal on. A second one in the middle
        # of this would wait for a lock that this holds.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for part in parts:
            part.begin_stop()
        worker.handle_exit(signum, frame)

    signal.signal(signal.SIGTERM, end)
    signal.siginterrupt(signal.SIGTERM, False)


def worker_int(worker: Any) -> None:
    """SIGINT or SIGQUIT: the process ends at once."""
    for part in _parts(worker):
        part.stop(_QUICK_STOP_SECONDS)


def worker_exit(server: Any, worker: Any) -> None:
    """The last request is answered, or there was no time left for it."""
    for part in _parts(worker):
        part.stop(_STOP_SECONDS)


class _Part(Protocol):
    def start(self) -> None: ...
    def begin_stop(self) -> None: ...
    def stop(self, timeout: float) -> None: ...


def _parts(worker: Any) -> list[_Part]:
    extensions: dict[str, Any] = getattr(getattr(worker, "wsgi", None), "extensions", {})
    return [extensions[name] for name in ("relay", "courier", "reaper", "traces", "figures") if name in extensions]
