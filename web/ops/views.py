"""HTTP of the operators' page: `/ops` for people, `/api/ops` for the page and for scripts."""

from __future__ import annotations

from typing import cast

import msgspec
from flask import Blueprint, Flask, Response, current_app, render_template, request

from web.errors import NotFound
from web.http.answers import json_answer
from web.http.bodies import read_json
from web.identity.request import current_operator
from web.ops import actions
from web.ops.board import Board
from web.ops.fleet import Worker
from web.ops.live import LiveRun
from web.ops.story import Attempt, Step, read_story
from web.services import Services, services
from worker.contract.run import RunRecord

#: Where the application keeps it.
BOARD = "outloud-ops"
_MAX_BODY_BYTES = 1024

blueprint = Blueprint("ops", __name__)


class RunDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One run without a word of what was said in it. Times are Unix milliseconds; 0 means not yet."""

    at: int
    run: LiveRun
    ended_at: int
    #: When somebody was shown how it ended.
    outcome_seen_at: int
    resume_reason: str
    message_chars: int
    answer_chars: int
    worker: Worker | None
    attempts: list[Attempt]
    steps: list[Step]
    is_cut: bool


def register(app: Flask, services: Services) -> None:
    """Add the page to the application."""
    lease_ms = round(services.settings.reaping.lease_seconds * 1000)
    app.extensions[BOARD] = Board(services.redis, lease_ms=lease_ms)
    app.register_blueprint(blueprint)


@blueprint.before_request
def guard() -> None:
    """Let operators in, and nobody else."""
    current_operator()


@blueprint.get("/ops")
@blueprint.get("/ops/runs/<run_id>")
def show_page(run_id: str = "") -> str:
    """Render the page; the browser fills it, and opens the run that its address names."""
    return render_template("ops.html", run_id=run_id)


@blueprint.get("/api/ops")
def show_overview() -> Response:
    return json_answer(_board().overview())


@blueprint.get("/api/ops/hour")
def show_hour() -> Response:
    return json_answer(_board().hour())


@blueprint.get("/api/ops/runs/<run_id>")
def show_run(run_id: str) -> Response:
    record = _run(run_id)
    story = read_story(services().redis, run_id)
    detail = RunDetail(
        at=_board().now(),
        run=_board().show(record),
        ended_at=record.ended_at,
        outcome_seen_at=record.outcome_seen_at,
        resume_reason=record.resume_reason,
        message_chars=len(record.message),
        answer_chars=len(record.answer),
        worker=_board().worker(record.owner) if record.owner else None,
        attempts=story.attempts,
        steps=story.steps,
        is_cut=story.is_cut,
    )
    return json_answer(detail)


@blueprint.post("/api/ops/runs/<run_id>/cancel")
def cancel_run(run_id: str) -> Response:
    after = actions.cancel(services(), current_operator(), _run(run_id))
    return _acted({"run_id": run_id, "state": after.state, "stopping": not after.is_finished})


@blueprint.post("/api/ops/runs/<run_id>/requeue")
def requeue_run(run_id: str) -> Response:
    wish = read_json(request, actions.RequeueRequest, max_bytes=_MAX_BODY_BYTES)
    after = actions.requeue(services(), _board(), current_operator(), _run(run_id), wish)
    return _acted({"run_id": run_id, "state": after.state, "attempt": after.attempt})


@blueprint.post("/api/ops/runs/<run_id>/again")
def run_again(run_id: str) -> Response:
    again = actions.run_again(services(), current_operator(), _run(run_id))
    return _acted({"run_id": again.run_id, "thread_id": again.thread_id, "again_of": run_id})


def _acted(answer: dict[str, object]) -> Response:
    _board().forget()
    return json_answer(answer, 202)


def _board() -> Board:
    return cast(Board, current_app.extensions[BOARD])


def _run(run_id: str) -> RunRecord:
    record = services().runs.find(run_id)
    if record is None:
        raise NotFound("There is no such run.")
    return record
