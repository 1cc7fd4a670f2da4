"""HTTP calls on runs: ask, look, follow, stop."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response, request

from web import approvals
from web.acceptance import BYTES_PER_CHARACTER, OTHER_FIELDS_BYTES, RunRequest, accept
from web.cancellation import cancel
from web.delivery import delivery_of
from web.errors import MalformedRequest, NotFound
from web.http.answers import json_answer, json_bytes
from web.http.bodies import read_json
from web.http.logs import add_to_log
from web.identity.request import current_user, current_user_id
from web.services import services
from web.sockets import Visitor, open_event_stream
from web.stores.history import EventPage
from web.tracing import link_to_run
from worker.contract import codec
from worker.contract.cursor import Cursor, parse_cursor
from worker.contract.errors import CursorError
from worker.contract.run import RunRecord

EVENT_STREAM = "text/event-stream"

blueprint = Blueprint("runs", __name__, url_prefix="/api/runs")


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """A run as the API shows it. Times are Unix milliseconds; 0 means not yet."""

    run_id: str
    thread_id: str
    agent: str
    message: str
    state: str
    #: True when a stop was asked for and the run has not ended yet.
    stopping: bool
    attempt: int
    last_seq: int
    last_cursor: str
    created_at: int
    started_at: int
    ended_at: int
    #: When somebody was shown how it ended.
    outcome_seen_at: int
    #: Usage as in `agent_completed`; null before the end.
    usage: Any


def view(record: RunRecord) -> RunView:
    """Show what a user may know of a run of theirs."""
    return RunView(
        run_id=record.run_id,
        thread_id=record.thread_id,
        agent=record.agent,
        message=record.message,
        state=record.state,
        stopping=_is_stopping(record),
        attempt=record.attempt,
        last_seq=record.last_seq,
        last_cursor=record.last_cursor,
        created_at=record.created_at,
        started_at=record.started_at,
        ended_at=record.ended_at,
        outcome_seen_at=record.outcome_seen_at,
        usage=msgspec.Raw(record.usage.encode()) if record.usage else None,
    )


@blueprint.post("")
def create_run() -> Response:
    """Accept a message."""
    limits = services().settings
    max_bytes = limits.max_message_chars * BYTES_PER_CHARACTER + OTHER_FIELDS_BYTES
    user_id = current_user_id()
    wish = read_json(request, RunRequest, max_bytes=max_bytes)
    record, ahead = accept(services(), user_id, wish)
    add_to_log(run_id=record.run_id, thread_id=record.thread_id)
    answer = {
        "run_id": record.run_id,
        "thread_id": record.thread_id,
        "state": record.state,
        "ahead": ahead,
        "events_url": f"{blueprint.url_prefix}/{record.run_id}/events",
    }
    return json_answer(answer, 202)


@blueprint.get("/<run_id>")
def show_run(run_id: str) -> Response:
    return json_answer(view(_owned(run_id)))


@blueprint.get("/<run_id>/events")
def list_events(run_id: str) -> Response:
    """Give a page of the story, or the story as it happens to who asks for an event stream."""
    record = _owned(run_id)
    after = _after(request.headers.get("Last-Event-ID") or request.args.get("after") or "0")
    if request.accept_mimetypes.best_match(("application/json", EVENT_STREAM)) == EVENT_STREAM:
        visitor = Visitor(record.user_id, current_user().expires_at)
        return open_event_stream(run_id, str(after), visitor=visitor)
    return json_bytes(_page_body(services().history.page(record, after)))


@blueprint.post("/<run_id>/cancel")
def cancel_run(run_id: str) -> Response:
    owned = _owned(run_id)
    link_to_run(owned.traceparent)
    record = cancel(services(), owned)
    return json_answer({"run_id": run_id, "state": record.state, "stopping": _is_stopping(record)}, 202)


@blueprint.get("/<run_id>/tool_calls/<call_id>/result")
def show_tool_result(run_id: str, call_id: str) -> Response:
    """Give the whole result of a tool call, however large."""
    _owned(run_id)
    result = services().history.tool_result(run_id, call_id)
    if result is None:
        raise NotFound("This call has no result.")
    return json_bytes(result)


@blueprint.get("/<run_id>/approvals/<call_id>")
def show_approval(run_id: str, call_id: str) -> Response:
    """Show a tool call that waits for a person, or has waited, as it would run."""
    return json_answer(approvals.show(services(), _owned(run_id), call_id))


@blueprint.post("/<run_id>/approvals/<call_id>")
def decide(run_id: str, call_id: str) -> Response:
    """Allow or deny a tool call."""
    record = _owned(run_id)
    link_to_run(record.traceparent)
    wish = read_json(request, approvals.DecisionRequest, max_bytes=approvals.MAX_BODY_BYTES)
    return json_answer(approvals.decide(services(), record, call_id, wish))


@blueprint.get("/<run_id>/delivery")
def show_delivery(run_id: str) -> Response:
    """Say which viewers have shown how much of the run."""
    return json_answer(delivery_of(services().redis, _owned(run_id)))


def _owned(run_id: str) -> RunRecord:
    return services().runs.owned(run_id, current_user_id())


def _is_stopping(record: RunRecord) -> bool:
    return bool(record.cancel_by) and not record.is_finished


def _after(text: str) -> Cursor:
    try:
        return parse_cursor(text)
    except CursorError as error:
        raise MalformedRequest(f"`after` is {error}.", code="malformed_cursor", detail={"field": "after"}) from error


def _page_body(page: EventPage) -> bytes:
    """Join the events as the log holds them; decoding them would only write the same text again."""
    rest = codec.encode({"last_seq": page.last_seq, "more": page.more, "reset": page.reset})
    return b'{"events":[' + b",".join(page.events) + b"]," + rest[1:]
