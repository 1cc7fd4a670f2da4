"""The web application inside the test process, and a worker's hand to write stories with."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import redis
from flask import Flask

from tests.support.system import SECRET_KEY
from web.app import create_app
from web.services import EXTENSION, Services
from web.store import run_script
from worker.contract import codec, scripts
from worker.contract.catalogue import AgentInfo, Catalogue
from worker.contract.cursor import new_tag
from worker.contract.events import AgentCompleted, AgentCompletedData, AgentStarted, AgentStartedData, Event, Usage
from worker.contract.run import RunState
from worker.contract.scripts import Ending, ToolResult

CATALOGUE = Catalogue(
    agents=[
        AgentInfo(name="triage", description="Takes every question", tools=["list_tables"], delegates=["data"]),
        AgentInfo(name="data", description="Asks tables", tools=["query"], delegates=[]),
    ],
    default_agent="triage",
    model="offline",
    offline=True,
)
RETENTION_MS = 60_000
LEASE_MS = 10_000


class WebApps:
    """Makes applications on one Redis and closes what they have opened."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._apps: list[Flask] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for app in self._apps:
            services = services_of(app)
            services.redis.close()
            services.redis.connection_pool.disconnect()
            services.doorbell.close()

    def start(self, **settings: str) -> Flask:
        app = create_app({"REDIS_URL": self._redis_url, "SECRET_KEY": SECRET_KEY, **settings})
        self._apps.append(app)
        return app


def services_of(app: Flask) -> Services:
    services: Services = app.extensions[EXTENSION]
    return services


class StoryWriter:
    """Writes a run's events as a worker's attempt does, through the contract's scripts."""

    def __init__(self, client: redis.Redis, run_id: str, *, worker_id: str = "w1") -> None:
        self._client = client
        self.run_id = run_id
        self._worker_id = worker_id
        self.attempt = 0
        self.number = 0

    def claim(self, *, lease_ms: int = LEASE_MS) -> str:
        """Take the run's next attempt; answers the script's word."""
        call = scripts.claim(self.run_id, worker_id=self._worker_id, lease_ms=lease_ms)
        word, *rest = run_script(self._client, call)
        if rest:
            fields = dict(zip(rest[0][::2], rest[0][1::2], strict=True))
            self.attempt, self.number = int(_text(fields, "attempt")), 0
        return str(_plain(word))

    def append(
        self,
        event: Event,
        *,
        ending: Ending | None = None,
        result: ToolResult | None = None,
        number: int | None = None,
        attempt: int | None = None,
        retention_ms: int = RETENTION_MS,
    ) -> list[Any]:
        """Write one event as the next, or under a producer number and attempt of the test's choice."""
        if number is None:
            number = self.number = self.number + 1
        call = scripts.append(
            self.run_id,
            attempt=self.attempt if attempt is None else attempt,
            number=number,
            tag=new_tag(),
            draft=codec.encode_draft(event),
            retention_ms=retention_ms,
            ending=ending,
            result=result,
        )
        return [_plain(part) for part in run_script(self._client, call)]

    def envelope(self, **changed: Any) -> dict[str, Any]:
        """What every event of the root agent carries."""
        return {
            "run_id": self.run_id,
            "thread_id": "thr_1",
            "attempt": self.attempt,
            "agent_name": "triage",
            "agent_call_id": "a1",
            "parent_call_id": None,
            "at": 1_700_000_000_000,
            **changed,
        }

    def start(self) -> list[Any]:
        data = AgentStartedData(input="hello", model="offline", tools=[])
        return self.append(AgentStarted(**self.envelope(), data=data))

    def complete(self, result: str = "done") -> list[Any]:
        usage = Usage(input_tokens=3, output_tokens=5)
        data = AgentCompletedData(result=result, duration_ms=1, usage=usage)
        ending = Ending(RunState.COMPLETED, result, codec.encode(usage).decode())
        return self.append(AgentCompleted(**self.envelope(terminal=True), data=data), ending=ending)


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _text(fields: dict[Any, Any], name: str) -> str:
    return str(_plain(fields.get(name.encode(), fields.get(name))))
