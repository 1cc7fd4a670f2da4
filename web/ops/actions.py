"""What an operator may do to a run. Each is stored before it is answered, and logged with who did it."""

from __future__ import annotations

import logging
from typing import NamedTuple

import msgspec

from web import cancellation
from web.acceptance import RunRequest, accept
from web.errors import Conflict, LimitReached, NotFound
from web.identity.user import User
from web.ops.board import Board
from web.services import Services
from web.stores.client import run_script
from worker.contract import scripts
from worker.contract.clock import now_ms
from worker.contract.run import RunRecord, RunState
from worker.reaping.tracing import show_moved_attempt

logger = logging.getLogger(__name__)

#: Whose wish a stop was, as the run's owner reads it. No name: operators are the owner's hosts, not acquaintances.
BY = "operator"
#: Long enough for another worker to take it, short enough that it does not wait long for the only one that comes back.
_SHUN_MS = 10_000
_REASON = "An operator has given this to another process."


class RequeueRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/ops/runs/<id>/requeue`."""

    #: The attempt that was seen to hang, so that no later one is disturbed.
    attempt: int


class Again(NamedTuple):
    run_id: str
    thread_id: str


def cancel(services: Services, operator: User, record: RunRecord) -> RunRecord:
    """Stop a run for its owner.

    Raises:
        Conflict: It has ended.
    """
    _refuse_ended(record)
    after = cancellation.cancel(services, record, by=BY)
    _log("ops_cancel", operator, record, state=after.state)
    return after


def requeue(services: Services, board: Board, operator: User, record: RunRecord, wish: RequeueRequest) -> RunRecord:
    """Take a run from the worker that has it and let another one go on, if there is one. Finished steps stay done.

    Raises:
        Conflict: No worker has it, or it is in another attempt.
    """
    _refuse_ended(record)
    if record.state is RunState.WAITING:
        raise Conflict("This run waits for a person; no worker has it.", code="not_running")
    if record.state is RunState.QUEUED:
        raise Conflict("This run waits for a worker already.", code="not_running")
    # A worker that is alone gets its run back at once.
    shun_ms = _SHUN_MS if board.count_others(record.owner) else 0
    call = scripts.take_back(record.run_id, attempt=wish.attempt, shun_ms=shun_ms, reason=_REASON)
    answer = run_script(services.redis, call).decode()
    after = services.runs.owned(record.run_id, record.user_id)
    if answer != "ok":
        words = f"It has gone on meanwhile: it is {after.state}, in attempt {after.attempt}."
        raise Conflict(words, code="attempt_moved", detail={"state": after.state, "attempt": after.attempt})
    services.driver.ring(record.run_id, record.queue, record.agent)
    show_moved_attempt(record, now_ms())
    _log("ops_requeue", operator, record, worker=record.owner)
    return after


def run_again(services: Services, operator: User, record: RunRecord) -> Again:
    """Start a failed run anew for its owner: a new run in the same thread, with the same message. Twice is once.

    Raises:
        Conflict: It has not failed, or its owner has too many unfinished runs.
        NotFound: Its thread was deleted.
    """
    if record.state is not RunState.FAILED:
        raise Conflict(f"Only a failed run can be run again; this one is {record.state}.", code="not_failed")
    wish = RunRequest(
        message=record.message,
        agent=record.agent,
        thread_id=record.thread_id,
        idempotency_key=f"operator-{record.run_id}",
    )
    try:
        accepted = accept(services, record.user_id, wish)
    except LimitReached as error:
        raise Conflict("Its owner has too many unfinished runs.", code=error.code, detail=error.detail) from error
    except NotFound as error:
        raise NotFound("Its owner has deleted the thread.", code="no_thread") from error
    _log("ops_run_again", operator, record, new_run_id=accepted.record.run_id)
    return Again(accepted.record.run_id, accepted.record.thread_id)


def _refuse_ended(record: RunRecord) -> None:
    if record.is_finished:
        raise Conflict(f"This run has ended already: it is {record.state}.", code="run_finished")


def _log(action: str, operator: User, record: RunRecord, **facts: str) -> None:
    known = {"action": action, "operator": operator.name or operator.user_id, "run_id": record.run_id}
    logger.info("operator acted", extra={**known, "attempt": record.attempt, **facts})
