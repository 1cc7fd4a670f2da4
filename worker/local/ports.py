"""TCP ports of the loopback interface: which are free, and what answers on them."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.request
from typing import Any

ANSWER_SECONDS = 5.0


def free_port() -> int:
    """Return a loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        # As servers do; else a port whose last connections linger in TIME_WAIT would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def answers_ok(url: str) -> bool:
    """Whether a GET of `url` gives status 200 now; blocks for at most `ANSWER_SECONDS`."""
    try:
        with _open(url):
            return True
    except (http.client.HTTPException, OSError):
        return False


def read_json(url: str) -> Any:
    """GET `url` and return what the JSON of the answer says.

    Raises:
        OSError: the server is away, or the status is an error.
    """
    with _open(url) as response:
        return json.load(response)


def _open(url: str) -> http.client.HTTPResponse:
    # No proxy from the environment: it could not reach this machine's loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    response: http.client.HTTPResponse = opener.open(url, timeout=ANSWER_SECONDS)
    return response
