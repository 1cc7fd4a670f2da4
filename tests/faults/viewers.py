"""Viewers: clients of the WebSocket that keep the rules of docs/protocol.md, and write down what reaches them.

They come back sooner than the rules say, since a seed lasts seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.faults.history import Closed, History, Received, Refused, Subscribed, WasReset, digest
from tests.faults.schedule import PlannedViewer

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 2.0
#: Without any frame for so long, the link is dead.
_DEAD_SECONDS = 50.0
#: How long a restless viewer stays; how long a slow one takes over a frame.
_RESTLESS_SECONDS = (0.15, 1.0)
_SLOW_SECONDS = 0.03
_POLL_SECONDS = 0.1


@dataclass
class Followed:
    """How far a viewer is in a run."""

    run_id: str
    last: int = 0
    cursor: str = "0"
    is_over: bool = False
    #: `last` at the heartbeat before, to see that nothing comes.
    at_heartbeat: int = -1


class Viewer:
    """One person's tab. `accepted` gives the id of a run once it has one."""

    def __init__(
        self,
        plan: PlannedViewer,
        *,
        urls: Sequence[str],
        cookie: str,
        accepted: Callable[[str], asyncio.Future[str]],
        history: History,
        on_approval: Callable[[str, str], None],
        rng: random.Random,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.plan = plan
        self._urls = urls
        self._cookie = cookie
        self._accepted = accepted
        self._history = history
        self._on_approval = on_approval
        self._rng = rng
        self._tls = tls
        self._followed: dict[str, Followed] = {}
        self._socket: ClientConnection | None = None
        self._links = 0
        self._failures = 0
        self._wait = 0.0

    @property
    def is_done(self) -> bool:
        """It has seen the end of each of its runs."""
        return len(self._followed) == len(self.plan.runs) and not self._open

    @property
    def _open(self) -> list[Followed]:
        return [followed for followed in self._followed.values() if not followed.is_over]

    async def watch(self) -> None:
        """Follow the runs to their ends, however often the link breaks."""
        async with asyncio.TaskGroup() as tasks:
            for name in self.plan.runs:
                tasks.create_task(self._join(name))
            while not self.is_done:
                if self._open:
                    await self._visit()
                else:
                    await asyncio.sleep(_POLL_SECONDS)

    async def _join(self, name: str) -> None:
        """Add a run as soon as there is one."""
        run_id = await self._accepted(name)
        await asyncio.sleep(self.plan.after)
        followed = self._followed[run_id] = Followed(run_id)
        if self._socket is not None:
            with contextlib.suppress(WebSocketException):
                await self._subscribe(self._socket, followed)

    async def _visit(self) -> None:
        """Connect once and stay until the link breaks or everything is seen."""
        await asyncio.sleep(self._wait)
        self._failures += 1
        self._wait = self._rng.uniform(0, min(_LONGEST_WAIT, _FIRST_WAIT * 2**self._failures))
        url = self._rng.choice(self._urls).replace("http", "ws", 1) + "/ws"
        try:
            async with connect(
                url,
                additional_headers={"Cookie": self._cookie},
                ssl=self._tls,
                compression=None,
                open_timeout=5,
                close_timeout=1,
                ping_interval=None,
                max_queue=16,
                proxy=None,
            ) as socket:
                self._links += 1
                await self._stay(socket)
        except ConnectionClosed:
            return
        except (OSError, EOFError, TimeoutError, WebSocketException):
            return

    async def _stay(self, socket: ClientConnection) -> None:
        code = 0
        try:
            for followed in self._open:
                await self._subscribe(socket, followed)
            self._socket = socket
            await self._read(socket)
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
        finally:
            self._socket = None
            self._history.add(Closed(viewer=self.plan.name, code=code))

    async def _read(self, socket: ClientConnection) -> None:
        leave_at = time.monotonic() + self._stay_seconds()
        while not self.is_done:
            left = leave_at - time.monotonic()
            try:
                async with asyncio.timeout(min(left, _DEAD_SECONDS)):
                    frame = json.loads(await socket.recv())
            except TimeoutError:
                return
            for item in frame if isinstance(frame, list) else [frame]:
                await self._take(socket, item)
            if self.plan.kind == "slow":
                await asyncio.sleep(_SLOW_SECONDS)

    def _stay_seconds(self) -> float:
        return self._rng.uniform(*_RESTLESS_SECONDS) if self.plan.kind == "restless" else float("inf")

    async def _subscribe(self, socket: ClientConnection, followed: Followed) -> None:
        entry = Subscribed(
            viewer=self.plan.name, run_id=followed.run_id, after=followed.cursor, link=self._links, at=time.time()
        )
        self._history.add(entry)
        await socket.send(json.dumps({"op": "subscribe", "run_id": followed.run_id, "after": followed.cursor}))

    async def _take(self, socket: ClientConnection, item: dict[str, Any]) -> None:
        self._failures = 0
        match item.get("op"):
            case None:
                await self._take_event(socket, item)
            case "reset":
                self._history.add(
                    WasReset(viewer=self.plan.name, run_id=item["run_id"], reason=item["reason"], cursor=item["cursor"])
                )
                followed = self._followed[item["run_id"]]
                followed.last, followed.cursor, followed.is_over = int(item["cursor"]), item["cursor"], False
            case "heartbeat":
                await socket.send('{"op":"pong"}')
                await self._compare(socket, item["top"])
            case "bye":
                self._wait = item["retry_ms"] / 1000
            case "error":
                run_id = item.get("run_id", "")
                self._history.add(Refused(viewer=self.plan.name, run_id=run_id, code=item["code"]))
                if run_id in self._followed:
                    self._followed[run_id].is_over = True
            case _:
                pass

    async def _take_event(self, socket: ClientConnection, event: dict[str, Any]) -> None:
        followed = self._followed[event["run_id"]]
        fits = event["seq"] == followed.last + 1
        self._history.add(
            Received(
                viewer=self.plan.name,
                run_id=followed.run_id,
                seq=event["seq"],
                cursor=event["cursor"],
                digest=digest(event),
                terminal=event["terminal"],
                shown=fits,
            )
        )
        if fits:
            followed.last, followed.cursor, followed.is_over = event["seq"], event["cursor"], event["terminal"]
            if event["terminal"]:
                await socket.send(json.dumps({"op": "ack", "run_id": followed.run_id, "seq": event["seq"]}))
            if event["type"] == "approval_requested":
                self._on_approval(followed.run_id, event["data"]["call_id"])
        elif event["seq"] > followed.last:
            # A server that leaves out the same event each time must not be asked a thousand times a second.
            await asyncio.sleep(_FIRST_WAIT)
            await self._subscribe(socket, followed)

    async def _compare(self, socket: ClientConnection, tops: dict[str, int]) -> None:
        for followed in self._open:
            is_behind = tops.get(followed.run_id, 0) > followed.last
            if is_behind and followed.last == followed.at_heartbeat:
                await self._subscribe(socket, followed)
            followed.at_heartbeat = followed.last
