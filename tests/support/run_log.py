"""The worker's log on a test's server, and events to write with it."""

from __future__ import annotations

from redis.asyncio import Redis

from worker.contract.clock import now_ms
from worker.contract.events import (
    AgentFailed,
    AgentFailedData,
    AgentStarted,
    AgentStartedData,
    AgentThinking,
    AgentThinkingData,
    EnvelopeFields,
    Failure,
)
from worker.contract.run import RunRecord
from worker.log import RunLog
from worker.log_writer import WriterSettings

RETENTION_MS = 60_000


class Rung(list[str]):
    """A doorbell that remembers for which runs it was rung, and in which queues."""

    def __init__(self) -> None:
        super().__init__()
        self.queues: list[str] = []

    async def ring(self, run_id: str, queue: str, agent: str) -> None:
        self.append(run_id)
        self.queues.append(queue)


def run_log(client: Redis, rung: Rung | None = None, *, worker_id: str = "wrk_1", lease_ms: int = 10_000) -> RunLog:
    settings = WriterSettings(worker_id=worker_id, lease_ms=lease_ms, silence_ms=300_000, retention_ms=RETENTION_MS)
    return RunLog(client, settings, ring=(rung if rung is not None else Rung()).ring)


def started(record: RunRecord) -> AgentStarted:
    return AgentStarted(**_envelope(record), data=AgentStartedData(input=record.message, model=None, tools=[]))


def thought(record: RunRecord, text: str) -> AgentThinking:
    return AgentThinking(**_envelope(record), data=AgentThinkingData(text=text, delta=False, step=1))


def failed(record: RunRecord) -> AgentFailed:
    data = AgentFailedData(error=Failure(code="agent_error", message="no"))
    return AgentFailed(**_envelope(record), terminal=True, data=data)


def _envelope(record: RunRecord) -> EnvelopeFields:
    return EnvelopeFields(
        run_id=record.run_id,
        thread_id=record.thread_id,
        attempt=record.attempt,
        agent_name=record.agent,
        agent_call_id="a1",
        parent_call_id=None,
        at=now_ms(),
    )
