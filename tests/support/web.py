"""The web application inside the test process, and a worker's hand to write stories with."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Literal, Self

import redis
from flask import Flask

from tests.support.system import SECRET_KEY
from web.app import create_app
from web.services import EXTENSION, Services
from web.stores.client import run_script
from worker.contract import codec, scripts
from worker.contract.approvals import ApprovalRequest, approval_fields, hash_arguments
from worker.contract.catalogue import AgentInfo, Catalogue
from worker.contract.clock import now_ms
from worker.contract.cursor import new_tag
from worker.contract.events import (
    AgentCompleted,
    AgentCompletedData,
    AgentStarted,
    AgentStartedData,
    AgentThinking,
    AgentThinkingData,
    ApprovalRequested,
    ApprovalRequestedData,
    Event,
    ToolExecuting,
    ToolExecutingData,
    Usage,
)
from worker.contract.run import RunState, decode_run
from worker.contract.scripts import NO_ENTRIES, NO_EVENT, Attempt, Ending, Entries, ScriptCall, ToolResult
from worker.reaping.rules import ReaperRules
from worker.reaping.sweep import SweepSettings, sweep

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
SILENCE_MS = 300_000


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


def reap(app: Flask, **rules: Any) -> bool:
    """Sweep as the application's reaper does, with these rules; False when it is another's turn."""
    settings = SweepSettings("web_test", RETENTION_MS, quiet_ms=0, rules=ReaperRules(**rules))
    return services_of(app).driver.do(sweep(settings))


class StoryWriter:
    """Writes a run's events as a worker's attempt does, through the contract's scripts."""

    def __init__(self, client: redis.Redis, run_id: str, *, worker_id: str = "w1") -> None:
        self._client = client
        self.run_id = run_id
        self.worker_id = worker_id
        self.attempt = 0
        self.token = ""
        #: Highest event number of the log at the claim.
        self.base_seq = 0
        self.number = 0

    @property
    def mine(self) -> Attempt:
        """What a write proves itself with."""
        return Attempt(self.run_id, self.attempt, self.token)

    def claim(self, *, lease_ms: int = LEASE_MS, silence_ms: int = SILENCE_MS, token: str = "") -> str:
        """Take the run's next attempt; answers the script's word."""
        token = token or new_tag()
        call = scripts.claim(
            self.run_id, worker_id=self.worker_id, token=token, lease_ms=lease_ms, silence_ms=silence_ms
        )
        word, *rest = run_script(self._client, call)
        if word == b"ok":
            record = decode_run(self.run_id, dict(zip(rest[0][::2], rest[0][1::2], strict=True)))
            self.attempt, self.token, self.base_seq, self.number = record.attempt, token, record.last_seq, 0
        return str(_plain(word))

    def append(
        self,
        event: Event | None,
        *,
        ending: Ending | None = None,
        result: ToolResult | None = None,
        entries: Entries = NO_ENTRIES,
        number: int | None = None,
        retention_ms: int = RETENTION_MS,
        silence_ms: int = SILENCE_MS,
    ) -> list[Any]:
        """Write one event, or with None only entries, as the next or under a producer number of the test's choice."""
        if number is None:
            number = self.number = self.number + 1
        call = scripts.append(
            self.mine,
            number=number,
            tag=new_tag(),
            draft=codec.encode_draft(event) if event is not None else NO_EVENT,
            retention_ms=retention_ms,
            silence_ms=silence_ms,
            ending=ending,
            result=result,
            entries=entries,
        )
        return self._words(call)

    def renew(self, *, lease_ms: int = LEASE_MS) -> list[Any]:
        return self._words(scripts.renew(self.mine, written=self.number, lease_ms=lease_ms))

    def release(self, state: Literal[RunState.QUEUED, RunState.WAITING], reason: str = "") -> str:
        return str(_plain(run_script(self._client, scripts.release(self.mine, state=state, reason=reason))))

    def restore(self, **fields: str) -> list[Any]:
        """Get back what the server has lost; `fields` are those of a record that is gone."""
        call = scripts.restore(
            self.mine,
            base_seq=self.base_seq,
            worker_id=self.worker_id,
            lease_ms=LEASE_MS,
            silence_ms=SILENCE_MS,
            fields=fields,
        )
        return self._words(call)

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

    def think(self, text: str = "hm") -> list[Any]:
        return self.append(AgentThinking(**self.envelope(), data=AgentThinkingData(text=text, delta=False, step=1)))

    def begin_tool(self, call_id: str = "a1.t1", tool_name: str = "list_tables") -> list[Any]:
        data = ToolExecutingData(call_id=call_id, tool_name=tool_name, arguments={}, purpose=None)
        return self.append(ToolExecuting(**self.envelope(), data=data))

    def ask(
        self,
        call_id: str = "a1.t1",
        *,
        arguments: dict[str, Any] | None = None,
        editable: bool = False,
        expires_at: int | None = None,
    ) -> list[Any]:
        """Ask a person to allow a tool call that has begun; by default for a minute."""
        exact = arguments if arguments is not None else {"table": "sales"}
        request = ApprovalRequest(
            tool_name="list_tables",
            arguments=exact,
            arguments_hash=hash_arguments(exact),
            editable=editable,
            expires_at=expires_at if expires_at is not None else now_ms() + 60_000,
            agent_name="triage",
            agent_call_id="a1",
            parent_call_id=None,
        )
        data = ApprovalRequestedData(
            call_id=call_id,
            tool_name=request.tool_name,
            arguments=exact,
            arguments_hash=request.arguments_hash,
            expires_at=request.expires_at,
            editable=editable,
        )
        entries = Entries(approvals=approval_fields(call_id, request))
        return self.append(ApprovalRequested(**self.envelope(), data=data), entries=entries)

    def complete(self, result: str = "done") -> list[Any]:
        usage = Usage(input_tokens=3, output_tokens=5)
        data = AgentCompletedData(result=result, duration_ms=1, usage=usage)
        ending = Ending(RunState.COMPLETED, result, codec.encode(usage).decode())
        return self.append(AgentCompleted(**self.envelope(terminal=True), data=data), ending=ending)

    def _words(self, call: ScriptCall) -> list[Any]:
        return [_plain(part) for part in run_script(self._client, call)]


def waiting_writer(client: redis.Redis, run_id: str, **asked: Any) -> StoryWriter:
    """Let a queued run begin, ask a person (see `StoryWriter.ask`), and wait."""
    writer = StoryWriter(client, run_id)
    assert writer.claim() == "ok"
    writer.start()
    writer.begin_tool()
    writer.ask(**asked)
    assert writer.release(RunState.WAITING) == "waiting"
    return writer


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
