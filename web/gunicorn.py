"""gunicorn's settings, for `gunicorn "web.app:create_app()" --config web/gunicorn.py`."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from types import FrameType
from typing import TYPE_CHECKING, Any

from web.settings import WebSettings
from worker.contract.environment import SettingsError

if TYPE_CHECKING:
    from web.relay.relay import Relay

#: A platform's router comes from outside; `make run` and the tests say 127.0.0.1.
bind = f"{os.environ.get('BIND_HOST', '0.0.0.0')}:{os.environ.get('PORT', '8000')}"  # noqa: S104

#: gunicorn's gthread worker, the only kind that the relay takes over sockets from, with patience that ends.
worker_class = "web.request_deadline.DeadlineWorker"
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
#: Requests at one time; viewers need no OS thread.
threads = int(os.environ.get("WEB_THREADS", "32"))

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
#: Nobody manages a container through a socket file in its home directory.
control_socket_disable = True

#: Time for browsers to answer the close frame when the process is told to end at once.
_QUICK_STOP_SECONDS = 2.0
_STOP_SECONDS = 5.0
#: Descriptors to ask for where the platform sets no upper bound.
_DESCRIPTORS = 65_536


def on_starting(server: Any) -> None:
    """Refuse to start with wrong settings: one clear message, instead of a traceback from each process."""
    try:
        WebSettings.from_env(os.environ)
    except SettingsError as error:
        raise SystemExit(str(error)) from None


def post_fork(server: Any, worker: Any) -> None:
    """Let the process hold as many sockets as the platform allows; many start programs with 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if most == resource.RLIM_INFINITY else most
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def post_worker_init(worker: Any) -> None:
    """Start the relay, and let SIGTERM say goodbye to its viewers at once: the last request may take long."""
    relay = _relay(worker)
    if relay is None:
        return
    relay.start()

    def end(signum: int, frame: FrameType | None) -> None:
        relay.begin_stop()
        worker.handle_exit(signum, frame)

    signal.signal(signal.SIGTERM, end)
    signal.siginterrupt(signal.SIGTERM, False)


def worker_int(worker: Any) -> None:
    """SIGINT or SIGQUIT: the process ends at once."""
    if relay := _relay(worker):
        relay.stop(_QUICK_STOP_SECONDS)


def worker_exit(server: Any, worker: Any) -> None:
    """The last request is answered, or there was no time left for it."""
    if relay := _relay(worker):
        relay.stop(_STOP_SECONDS)


def _relay(worker: Any) -> Relay | None:
    relay: Relay | None = getattr(getattr(worker, "wsgi", None), "extensions", {}).get("relay")
    return relay
