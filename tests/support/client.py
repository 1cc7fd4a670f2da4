"""A client of the public API that shares no code with ours: plain HTTP and the `websockets` package."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.waiting import scaled

Event = dict[str, Any]


class Client:
    """One user: posts runs, follows them by WebSocket, and keeps the cookie.

    Args:
        tls: what an https server is checked with; None takes the authorities of this machine.
    """

    def __init__(self, url: str, *, tls: ssl.SSLContext | None = None) -> None:
        self.url = url
        self._tls = tls
        self.http = httpx.Client(base_url=url, timeout=scaled(15), verify=tls or True)
        # The first answer brings the cookie; requests side by side without one would be those of several users.
        self.user_id: str = self.http.get("/api/session").json()["user_id"]

    def close(self) -> None:
        self.http.close()

    def post_run(self, message: str, **fields: Any) -> dict[str, Any]:
        answer = self.http.post("/api/runs", json={"message": message, **fields})
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def run(self, run_id: str) -> dict[str, Any]:
        return dict(self.http.get(f"/api/runs/{run_id}").raise_for_status().json())

    def cancel(self, run_id: str) -> dict[str, Any]:
        answer = self.http.post(f"/api/runs/{run_id}/cancel")
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    @contextmanager
    def socket(self, *, at: str = "", **headers: str) -> Iterator[ClientConnection]:
        """Open a socket, at another web process's address if one is given."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())
        with connect(
            (at or self.url).replace("http", "ws", 1) + "/ws",
            additional_headers={"Cookie": cookies, **headers},
            ssl=self._tls,
            compression=None,
            open_timeout=scaled(10),
        ) as socket:
            yield socket

    def follow(self, run_id: str, *, after: str | int = 0, at_most: int | None = None) -> list[Event]:
        """Events after a cursor until the last one, or until `at_most` are there. Duplicates would stay in."""
        found: list[Event] = []
        with self.socket() as socket:
            socket.send(json.dumps({"op": "subscribe", "run_id": run_id, "after": after}))
            for event in self.events(socket):
                found.append(event)
                if event["terminal"] or len(found) == at_most:
                    break
        return found

    def events(self, socket: ClientConnection, *, deadline: float = 60.0) -> Iterator[Event]:
        """Events of an open socket as they come; control frames are passed over, an error fails the test."""
        end = time.monotonic() + scaled(deadline)
        while True:
            try:
                frame = json.loads(socket.recv(timeout=max(0.01, end - time.monotonic())))
            except ConnectionClosed:
                return
            for message in frame if isinstance(frame, list) else [frame]:
                assert message.get("op") not in ("error", "reset"), message
                if "type" in message:
                    yield message


def assert_whole(events: list[Event]) -> None:
    """Numbered 1, 2, 3 …, one last event, which is the last; every tool call closed exactly once."""
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["terminal"] for event in events] == [False] * (len(events) - 1) + [True]
    begun = sorted(event["data"]["call_id"] for event in events if event["type"] == "tool_executing")
    ended = sorted(event["data"]["call_id"] for event in events if event["type"] == "tool_completed")
    assert begun == ended
    assert len(set(begun)) == len(begun)
