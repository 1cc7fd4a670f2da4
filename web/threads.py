"""HTTP calls on threads: the history of a user's conversations."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from web.cancellation import cancel
from web.http.answers import json_answer
from web.identity.request import current_user_id
from web.runs import view
from web.services import services

blueprint = Blueprint("threads", __name__, url_prefix="/api/threads")


@blueprint.get("")
def list_threads() -> Response:
    return json_answer({"threads": services().threads.of(current_user_id())})


@blueprint.get("/<thread_id>")
def show_thread(thread_id: str) -> Response:
    """Give a thread with its runs, oldest first."""
    thread = services().threads.owned(thread_id, current_user_id())
    runs = services().runs.find_all(services().threads.run_ids(thread_id))
    return json_answer({**msgspec.structs.asdict(thread), "runs": [view(record) for record in runs]})


@blueprint.delete("/<thread_id>")
def delete_thread(thread_id: str) -> Response:
    """Stop what still runs, and forget the thread.

    A run that is stopped in the middle keeps its log until its retention ends: the worker still writes how it ended,
    and who watches it sees that.
    """
    user_id = current_user_id()
    services().threads.owned(thread_id, user_id)
    records = services().runs.find_all(services().threads.run_ids(thread_id))
    # The last first: the end of one lets the next begin.
    stopped = [cancel(services(), record) for record in reversed(records)]
    services().runs.delete([record for record in stopped if record.is_finished])
    services().threads.delete(thread_id, user_id)
    return Response(status=204)
