"""What tests of the relay stand on: a run written as a worker writes it, a real gunicorn, and a browser's rules."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_websocket

from tests.support.environment import ROOT
from tests.support.processes import Process
from tests.support.redis import free_port
from tests.support.system import SECRET_KEY
from tests.support.waiting import scaled, wait_until
from worker.contract import codec, keys, scripts
from worker.contract.cursor import new_tag
from worker.contract.events import (
    AgentCompleted,
    AgentCompletedData,
    AgentFailed,
    AgentFailedData,
    AgentStarted,
    AgentStartedData,
    Event,
    Failure,
    PartialResult,
    PartialResultData,
    Usage,
)
from worker.contract.run import RunState

RETENTION_MS = 3_600_000
USER = "usr_0"


class RunWriter:
    """Writes one run through the contract's scripts, as the worker that holds it."""

    def __init__(self, client: redis.Redis, *, user_id: str = USER) -> None:
        self._client = client
        self.run_id = f"run_{secrets.token_hex(16)}"
        self._number = 0
        #: Cursors of the events written, the first event's first.
        self.cursors: list[str] = []
        create = scripts.create(run_id=self.run_id, thread_id="thr_0", user_id=user_id, agent="triage", message="hi")
        self._call(create)
        claim = scripts.claim(self.run_id, worker_id="w1", token="t1", lease_ms=60_000, silence_ms=60_000)
        self._call(claim)

    @property
    def last(self) -> int:
        return len(self.cursors)

    def start(self) -> RunWriter:
        """Write the first event."""
        self._append(AgentStarted(**self._envelope(), data=AgentStartedData(input="hi", model=None, tools=[])))
        return self

    def say(self, count: int = 1, *, size: int = 20) -> RunWriter:
        """Write `count` pieces of an answer, of `size` characters each."""
        for _ in range(count):
            text = f"{self.last + 1} ".ljust(size, "x")
            self._append(PartialResult(**self._envelope(), data=PartialResultData(message_id="m1", text=text)))
        return self

    def finish(self) -> RunWriter:
        """Write the last event."""
        data = AgentCompletedData(result="done", duration_ms=1, usage=Usage())
        event = AgentCompleted(**self._envelope(), terminal=True, data=data)
        self._append(event, scripts.Ending(RunState.COMPLETED))
        return self

    def fail(self, error: Failure) -> RunWriter:
        """Write a last event that says why the run failed."""
        event = AgentFailed(**self._envelope(), terminal=True, data=AgentFailedData(error=error))
        self._append(event, scripts.Ending(RunState.FAILED))
        return self

    def _append(self, event: Event, ending: scripts.Ending | None = None) -> None:
        self._number += 1
        draft = codec.encode_draft(event)
        call = scripts.append(
            scripts.Attempt(self.run_id, 1, "t1"),
            number=self._number,
            tag=new_tag(),
            draft=draft,
            retention_ms=RETENTION_MS,
            silence_ms=60_000,
            ending=ending,
        )
        answer = self._call(call)
        assert answer[0] == "ok", answer
        self.cursors.append(answer[2])

    def _call(self, call: scripts.ScriptCall) -> Any:
        return self._client.eval(call.script.source, len(call.keys), *call.keys, *call.args)

    def _envelope(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "thread_id": "thr_0",
            "attempt": 1,
            "agent_name": "triage",
            "agent_call_id": "a1",
            "parent_call_id": None,
            "at": 0,
        }

    def continue_with(self, client: redis.Redis) -> None:
        """Go on through another connection."""
        self._client = client

    def append_in_silence(self, count: int = 1) -> None:
        """Write events whose notices are lost: they are in the log and the record, but were never published."""
        for _ in range(count):
            seq = int(self._client.hincrby(keys.run(self.run_id), "last_seq", 1))
            cursor = f"{seq}-{new_tag()}"
            data = PartialResultData(message_id="m1", text=str(seq))
            raw = codec.encode(PartialResult(**{**self._envelope(), "seq": seq, "cursor": cursor}, data=data))
            self._client.xadd(keys.log(self.run_id), {"e": raw.decode()}, id=f"{seq}-0")
            self._client.hset(keys.run(self.run_id), "last_cursor", cursor)
            self.cursors.append(cursor)

    def roll_back(self, count: int) -> None:
        """Lose the newest `count` events, as a failover to a replica that was behind does."""
        log = keys.log(self.run_id)
        del self.cursors[-count:]
        with self._client.pipeline() as step:
            # A stream refuses ids below its greatest, so it is written anew.
            step.delete(log)
            kept: Any = self._client.xrange(log, max=f"{self.last}-0")
            for entry_id, fields in kept:
                step.xadd(log, fields, id=entry_id)
            step.hset(keys.run(self.run_id), mapping={"last_seq": self.last, "last_cursor": self.cursors[-1]})
            step.execute()

    def trim(self, keep_from: int) -> None:
        """Remove the events before `keep_from`."""
        self._client.xtrim(keys.log(self.run_id), minid=f"{keep_from}-0", approximate=False)


class RelayServer:
    """A gunicorn with the relay, on a free port."""

    def __init__(self, redis_url: str, directory: Path, **settings: str) -> None:
        self.port = free_port()
        variables = {
            "BIND_HOST": "127.0.0.1",
            "REDIS_URL": redis_url,
            "PORT": str(self.port),
            "SECRET_KEY": SECRET_KEY,
            **settings,
        }
        command = 'gunicorn "tests.support.relay_app:create_app()" --config web/gunicorn.py'
        self.process = Process(f"relay.{self.port}", command, settings=variables, directory=directory, cwd=ROOT)

    def wait_ready(self) -> None:
        """Wait until the relay hears Redis."""
        wait_until(self._is_ready, 20, what=f"relay on port {self.port}")

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/state", timeout=scaled(5)) as response:
            state: dict[str, Any] = json.load(response)
        return state

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def connect(self, *, user: str = USER, viewer: str | None = None, **options: Any) -> Browser:
        """Open a WebSocket as this user, as a page that calls itself `viewer`."""
        headers = {"X-User": user, **options.pop("additional_headers", {})}
        query = f"?{urllib.parse.urlencode({'viewer': viewer})}" if viewer is not None else ""
        url = f"ws://127.0.0.1:{self.port}/ws{query}"
        return Browser(open_websocket(url, additional_headers=headers, proxy=None, **options))

    def _is_ready(self) -> bool:
        assert self.process.is_running, self.process.tail()
        try:
            return bool(self.state()["is_listening"])
        except OSError:
            return False


class Browser:
    """A client that keeps the page's rules, and fails where they show a fault of the server.

    An event is applied if it is last + 1; a duplicate or a hole fails the test at once.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.socket = connection.__enter__()
        #: By run: the events shown.
        self.shown: dict[str, list[dict[str, Any]]] = {}
        self.last: dict[str, int] = {}
        #: Every control frame, in order.
        self.controls: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def cut(self) -> None:
        """Break the connection, without a close frame."""
        self.socket.socket.shutdown(socket.SHUT_RDWR)

    def subscribe(self, run_id: str, after: object = 0) -> Browser:
        self.last[run_id] = int(str(after).partition("-")[0])
        self.shown.setdefault(run_id, [])
        self.send({"op": "subscribe", "run_id": run_id, "after": after})
        return self

    def send(self, message: object) -> None:
        self.socket.send(json.dumps(message))

    def read(self, timeout: float = 10.0) -> list[dict[str, Any]]:
        """Take one message from the server."""
        message = json.loads(self.socket.recv(timeout=scaled(timeout)))
        objects = message if isinstance(message, list) else [message]
        for item in objects:
            self._apply(item)
        return objects

    def read_until_seq(self, run_id: str, seq: int, deadline: float = 30.0) -> list[dict[str, Any]]:
        """Read until the run is shown up to `seq`, and give all that is shown of it."""
        end = time.monotonic() + scaled(deadline)
        while self.last[run_id] < seq:
            assert time.monotonic() < end, f"event {self.last[run_id]} is the last shown, {seq} was expected"
            self.read()
        return self.shown[run_id]

    def read_until(self, op: str, **facts: object) -> dict[str, Any]:
        """Read until a control frame comes that has these facts."""
        end = time.monotonic() + scaled(10)
        while True:
            assert time.monotonic() < end, f"no {op} {facts or ''}"
            for item in self.read():
                if item.get("op") == op and facts.items() <= item.items():
                    return item

    def read_to_end(self) -> None:
        """Read until the connection is closed."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.read()

    def _apply(self, item: dict[str, Any]) -> None:
        if "op" in item:
            self.controls.append(item)
            if item["op"] == "reset":
                self.shown[item["run_id"]] = []
                self.last[item["run_id"]] = int(item["cursor"])
            return
        run_id, seq = item["run_id"], item["seq"]
        assert seq == self.last[run_id] + 1, f"event {seq} after {self.last[run_id]}"
        self.last[run_id] = seq
        self.shown[run_id].append(item)


def cursors(events: list[dict[str, Any]]) -> list[str]:
    """The cursors of events, to be compared with what was written."""
    return [event["cursor"] for event in events]


@contextlib.contextmanager
def running_relay(redis_url: str, directory: Path, **settings: str) -> Iterator[RelayServer]:
    """A relay that is ready, stopped at the end."""
    server = RelayServer(redis_url, directory, **settings)
    try:
        server.wait_ready()
        yield server
    finally:
        server.process.stop()
