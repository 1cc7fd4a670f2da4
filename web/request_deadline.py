"""Ends the server's patience with requests that never arrive: gunicorn's gthread worker waits for a request for ever.

Each OS thread reads one request at a time, so as many clients that begin a request and send no more would stop the
whole process. A socket whose request is not complete in time is cut for reading: whoever reads it sees the end, and the
client may still be answered.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from contextvars import ContextVar
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

#: A request's head, and again for a body of JSON.
HEAD_SECONDS = 10.0
BODY_SECONDS = 10.0
#: The largest file on a slow line: 20 MB at 3 Mbit/s.
UPLOAD_SECONDS = 60.0

_UPLOADS = ("POST", "/api/files")
#: How late a cut may be.
_TICK_SECONDS = 0.5


class Deadline:
    """The time that one request has left to arrive. For one OS thread, and the watcher."""

    def __init__(self, sock: socket.socket, watcher: Watcher) -> None:
        self._watcher = watcher
        # A descriptor of its own: the request's may be closed, and its number be another connection's, at any time.
        self.duplicate = sock.dup()
        self.at = 0.0

    def set(self, seconds: float) -> None:
        """Begin, or begin anew, with so much time."""
        self._watcher.add(self, seconds)

    def lift(self) -> None:
        """End without a cut; afterwards no cut can come."""
        self._watcher.discard(self)
        self.duplicate.close()


class Watcher:
    """One OS thread that cuts every socket whose deadline has passed."""

    def __init__(self) -> None:
        self._deadlines: set[Deadline] = set()
        self._changed = threading.Condition()

    def start(self) -> None:
        """Start the OS thread; after a fork, since threads do not outlive one."""
        threading.Thread(target=self._run, name="request deadlines", daemon=True).start()

    def add(self, deadline: Deadline, seconds: float) -> None:
        with self._changed:
            deadline.at = time.monotonic() + seconds
            self._deadlines.add(deadline)
            if len(self._deadlines) == 1:
                self._changed.notify()

    def discard(self, deadline: Deadline) -> None:
        with self._changed:
            self._deadlines.discard(deadline)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._deadlines)
                self._cut_late()
            time.sleep(_TICK_SECONDS)

    def _cut_late(self) -> None:
        # Under the lock, so that a deadline which is lifted cannot be cut any more.
        now = time.monotonic()
        for deadline in [each for each in self._deadlines if each.at <= now]:
            self._deadlines.discard(deadline)
            with contextlib.suppress(OSError):  # The client has gone.
                deadline.duplicate.shutdown(socket.SHUT_RD)


_current: ContextVar[Deadline | None] = ContextVar("request_deadline", default=None)


def lift_deadline() -> None:
    """Take the deadline from the request that this OS thread serves: its socket goes to someone else."""
    if deadline := _current.get():
        deadline.lift()


class DeadlineWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's gthread worker with a deadline for every request's head and body, and answers until it ends."""

    def init_process(self) -> None:
        self._watcher = Watcher()
        self._watcher.start()
        super().init_process()

    def set_accept_enabled(self, enabled: bool) -> None:
        """Go on answering while the last requests end: the door is still open, and whoever comes would wait in vain."""
        super().set_accept_enabled(enabled or not self.alive)

    def is_parent_alive(self) -> bool:
        """Look for the master: a worker without one ends as if it had been told to."""
        if super().is_parent_alive():
            return True
        signal.raise_signal(signal.SIGTERM)
        return False

    def handle(self, conn: Any) -> Any:
        """Serve one request of a connection."""
        deadline = Deadline(conn.sock, self._watcher)
        token = _current.set(deadline)
        try:
            deadline.set(HEAD_SECONDS)
            return super().handle(conn)
        finally:
            _current.reset(token)
            deadline.lift()

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request whose head has arrived."""
        if deadline := _current.get():
            if _has_body(req.headers):
                # Until the answer is written: a cut after the body's end costs no more than a kept-alive connection.
                deadline.set(UPLOAD_SECONDS if (req.method, req.path) == _UPLOADS else BODY_SECONDS)
            else:
                deadline.lift()
        return super().handle_request(req, conn)


def _has_body(headers: list[tuple[str, str]]) -> bool:
    return any(name == "TRANSFER-ENCODING" or (name == "CONTENT-LENGTH" and value != "0") for name, value in headers)
