"""Accepts a message: from here on it has a run, and the run will end visibly.

Every step may be repeated and is complete by itself, so that a client's second try after a crash between two of them
finishes what the first began: the idempotency key names the run before it exists.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal, NamedTuple

import msgspec

from web.cancellation import cancel
from web.catalogue import find_agent
from web.errors import Conflict, LimitReached, Unavailable, Unprocessable
from web.ids import new_run_id, new_thread_id
from web.services import Services
from web.tracing import publishing
from worker.contract.commands import DEFAULT_QUEUE_NAME
from worker.contract.run import RunRecord, RunState
from worker.contract.tracing import current_traceparent, link_to_run

#: JSON may write a character outside the basic plane as two escapes of six bytes; the other fields are small.
BYTES_PER_CHARACTER = 12
OTHER_FIELDS_BYTES = 4096

Name = Annotated[str, msgspec.Meta(max_length=64)]
WhenBusy = Literal["queue", "reject", "interrupt"]
IdempotencyKey = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class RunRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/runs`."""

    message: str
    #: Null means the default agent.
    agent: Name | None = None
    #: Null begins a new thread.
    thread_id: Name | None = None
    idempotency_key: IdempotencyKey | None = None
    #: What becomes of it when the thread has an unfinished run.
    when_busy: WhenBusy = "queue"


class Accepted(NamedTuple):
    record: RunRecord
    #: How many runs of the thread go first.
    ahead: int


def accept(services: Services, user_id: str, wish: RunRequest) -> Accepted:
    """Store the run that a message asks for and ring for a worker.

    Raises:
        Unprocessable: The message or the agent is refused.
        NotFound: The thread is not there, or not this user's.
        LimitReached: The user has too many unfinished runs.
        Conflict: The idempotency key stands for another message, or the thread is busy and the request does not wait.
        Unavailable: Too much waits already, no worker has ever started, or none could be told (the run then is kept).
    """
    _check_message(wish.message, services.settings.max_message_chars)
    agent, queue = _choose_agent(services, wish.agent)
    if wish.thread_id is not None:
        services.threads.owned(wish.thread_id, user_id)
    run_id = _run_id_for(services, user_id, wish.idempotency_key)
    # A repeat of a request that was taken stops nothing again: what its thread does now came after it.
    if wish.thread_id is not None and wish.when_busy != "queue" and services.runs.find(run_id) is None:
        _make_way(services, wish.thread_id, wish.when_busy)
    with publishing(run_id, queue) as span:
        record = services.runs.create(
            run_id=run_id,
            thread_id=wish.thread_id or new_thread_id(),
            user_id=user_id,
            agent=agent,
            message=wish.message,
            queue=queue,
            traceparent=current_traceparent(),
        )
        # A repeat finds the trace of the first request.
        link_to_run(span, record.traceparent)
        _check_same(record, wish)
        return _enqueue(services, record)


def _enqueue(services: Services, record: RunRecord) -> Accepted:
    services.threads.add_run(record)
    if record.state is not RunState.QUEUED:
        return Accepted(record, 0)
    ahead = services.threads.enqueue(record)
    # Whoever ends the run before it rings for this one.
    if not ahead:
        services.doorbell.ring(record.run_id, record.queue, record.agent)
    return Accepted(record, ahead)


def _make_way(services: Services, thread_id: str, when_busy: WhenBusy) -> None:
    """Refuse a message to a thread that is busy, or stop what keeps it busy."""
    others = services.runs.find_all(services.threads.queue(thread_id))
    unfinished = [record for record in others if not record.is_finished]
    if unfinished and when_busy == "reject":
        raise Conflict(
            "An answer in this chat is not finished yet.",
            code="thread_busy",
            detail={"run_ids": [record.run_id for record in unfinished]},
        )
    # The last first: the end of one lets the next begin.
    for record in reversed(unfinished):
        cancel(services, record)


def _check_message(message: str, max_chars: int) -> None:
    if all(map(_is_invisible, message)):
        raise Unprocessable("The message is empty.", detail={"field": "message"})
    if len(message) > max_chars:
        raise Unprocessable(
            f"The message has {len(message):,} characters; at most {max_chars:,} are taken.",
            code="message_too_long",
            detail={"field": "message", "limit": max_chars},
        )


def _is_invisible(char: str) -> bool:
    # Cf: zero-width spaces and joiners, direction marks.
    return char.isspace() or unicodedata.category(char) == "Cf"


def _choose_agent(services: Services, name: str | None) -> tuple[str, str]:
    """The agent's name, checked if any worker has ever said what can run, and its queue."""
    catalogue = services.catalogue.read()
    name = name or catalogue.default_agent
    if not name:
        raise Unavailable("No worker has started yet; try again.", code="no_worker", detail={"retryable": True})
    agent = find_agent(catalogue, name)
    if agent is not None:
        return name, agent.queue
    if catalogue.agents:
        names = [agent.name for agent in catalogue.agents]
        raise Unprocessable(
            f"There is no agent named {name!r}; there are {', '.join(names)}.",
            code="unknown_agent",
            detail={"field": "agent", "agents": names},
        )
    return name, DEFAULT_QUEUE_NAME


def _run_id_for(services: Services, user_id: str, idempotency_key: str | None) -> str:
    """The run of this request: a repeat gets the first one's and is never refused for a limit."""
    if idempotency_key is None:
        _check_limits(services, user_id)
        return new_run_id()
    known = services.runs.requested(user_id, idempotency_key)
    if known is not None:
        return known
    _check_limits(services, user_id)
    return services.runs.reserve(user_id, idempotency_key, new_run_id())


def _check_limits(services: Services, user_id: str) -> None:
    """Refuse what would wait too long. Requests at one instant may pass together: the limits only protect."""
    limit = services.settings.max_runs_per_user
    if services.runs.count_unfinished_of(user_id, limit=limit) >= limit:
        raise LimitReached(
            f"You have {limit} unfinished runs; wait for one to end, or stop one.",
            code="too_many_runs",
            detail={"limit": limit},
        )
    if services.runs.count_unfinished() >= services.settings.max_queued_runs:
        raise Unavailable("Too many runs wait already; try again later.", code="busy", detail={"retryable": True})


def _check_same(record: RunRecord, wish: RunRequest) -> None:
    same_agent = not wish.agent or wish.agent == record.agent
    same_thread = wish.thread_id is None or wish.thread_id == record.thread_id
    if not (record.message == wish.message and same_agent and same_thread):
        raise Conflict(
            "This idempotency key was used for another message.",
            code="idempotency_conflict",
            detail={"field": "idempotency_key"},
        )
