"""A TCP proxy on loopback that fails on demand: it swallows a reply, or cuts every connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class Proxy:
    """Forwards to a port of this machine. Its switches may be turned from any OS thread."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._swallow: bytes | None = None
        self.swallowed = 0
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def swallow_reply_to(self, part: bytes) -> None:
        """Forward the next request that contains `part`, then drop its reply and cut the connection."""
        self._swallow = part

    def cut(self) -> None:
        """Close every connection, now."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _close(pair)

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:
                return
            pair = near, far
            with self._lock:
                self._pairs.append(pair)
            for source, sink in (pair, (far, near)):
                threading.Thread(target=self._forward, args=(source, sink, pair), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if source is pair[0] and self._swallow is not None and self._swallow in data:
                    self._swallow = None
                    self._deliver_without_reply(data, pair)
                    return
                sink.sendall(data)
        _close(pair)

    def _deliver_without_reply(self, data: bytes, pair: tuple[socket.socket, socket.socket]) -> None:
        near, far = pair
        # The reply goes nowhere: the near side is closed before the request reaches the server.
        _close((near,))
        far.sendall(data)
        self.swallowed += 1


def _close(sockets: tuple[socket.socket, ...]) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@contextlib.contextmanager
def running_proxy(target_port: int) -> Iterator[Proxy]:
    proxy = Proxy(target_port)
    try:
        yield proxy
    finally:
        proxy.close()
