"""A socket on which nothing happens but heartbeats, kept open beside everything else."""

from __future__ import annotations

import json
import threading
import time
from types import TracebackType
from typing import Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.staging.target import Target


class IdleSocket:
    """Open it before the tests and look at it after them."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._client = target.new_user()
        self._os_thread = threading.Thread(target=self._listen, name="idle socket", daemon=True)
        self._is_over = threading.Event()
        self._opened_at = 0.0
        self.heartbeats = 0
        #: Why it is closed; empty while it is open.
        self.closed_by = ""

    def __enter__(self) -> Self:
        self._os_thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._os_thread.join()
        self._client.close()

    @property
    def seconds(self) -> float:
        """How long it is open."""
        return time.monotonic() - self._opened_at if self._opened_at else 0.0

    def _listen(self) -> None:
        url = self._target.url.replace("http", "ws", 1) + "/ws"
        cookie = "; ".join(f"{name}={value}" for name, value in self._client.http.cookies.items())
        # Without pings of its own: the server must keep the router awake.
        with connect(
            url, additional_headers={"Cookie": cookie}, ssl=self._target.tls, ping_interval=None, open_timeout=15
        ) as socket:
            self._opened_at = time.monotonic()
            while not self._is_over.is_set():
                try:
                    frame = json.loads(socket.recv(timeout=0.5))
                except TimeoutError:
                    continue
                except ConnectionClosed as closed:
                    self.closed_by = str(closed)
                    return
                if frame.get("op") == "heartbeat":
                    self.heartbeats += 1
