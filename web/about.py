"""HTTP calls that say where one is: what can run, and who one is."""

from __future__ import annotations

from flask import Blueprint, Response

from web.http.answers import json_answer
from web.identity.request import current_user
from web.identity.user import session_of
from web.services import services

blueprint = Blueprint("about", __name__, url_prefix="/api")


@blueprint.get("/agents")
def show_agents() -> Response:
    """Give the catalogue; its list is empty when no worker has ever started."""
    return json_answer(services().catalogue.read())


@blueprint.get("/session")
def show_session() -> Response:
    """Say who one is, and until when: Unix milliseconds, 0 for ever."""
    return json_answer(session_of(current_user()))
