"""Stops a run: the wish is stored before it is answered, and a run that nobody has begun still gets a whole story."""

from __future__ import annotations

from web.catalogue import find_agent
from web.ids import now_ms
from web.run_store import TaggedDraft
from web.services import Services
from worker.contract import codec
from worker.contract.catalogue import Catalogue
from worker.contract.cursor import new_tag
from worker.contract.events import (
    MAX_INPUT_CHARACTERS,
    ROOT_CALL_ID,
    AgentCancelled,
    AgentCancelledData,
    AgentStarted,
    AgentStartedData,
    EnvelopeFields,
)
from worker.contract.run import RunRecord

#: Whose wish it was, as the story tells it; the person who reads it is the same.
BY = "user"


def cancel(services: Services, record: RunRecord) -> RunRecord:
    """Ask for a stop and give the run as it is after that; a finished run stays as it is."""
    if not record.is_finished:
        started, cancelled = unbegun_story(record, services.catalogue.read())
        services.runs.cancel(record, by=BY, started=started, cancelled=cancelled)
    return services.runs.owned(record.run_id, record.user_id)


def unbegun_story(record: RunRecord, catalogue: Catalogue) -> tuple[TaggedDraft, TaggedDraft]:
    """Write the whole story of a run that is stopped before any worker took it: its first event and its last."""
    agent = find_agent(catalogue, record.agent)
    envelope = EnvelopeFields(
        run_id=record.run_id,
        thread_id=record.thread_id,
        attempt=record.attempt,
        agent_name=record.agent,
        agent_call_id=ROOT_CALL_ID,
        parent_call_id=None,
        at=now_ms(),
    )
    data = AgentStartedData(
        input=record.message[:MAX_INPUT_CHARACTERS], model=catalogue.model or None, tools=agent.tools if agent else []
    )
    started = AgentStarted(**envelope, data=data)
    cancelled = AgentCancelled(**envelope, terminal=True, data=AgentCancelledData(by=BY))
    return (new_tag(), codec.encode_draft(started)), (new_tag(), codec.encode_draft(cancelled))
