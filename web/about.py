"""HTTP calls that say where one is: what can run, and who one is."""

from __future__ import annotations

from flask import Blueprint, Response

from web.answers import json_answer
from web.errors import Unauthenticated
from web.identity import find_user
from web.services import services

blueprint = Blueprint("about", __name__, url_prefix="/api")


@blueprint.get("/agents")
def show_agents() -> Response:
    """Give the catalogue; its list is empty when no worker has ever started."""
    return json_answer(services().catalogue.read())


@blueprint.get("/session")
def show_session() -> Response:
    user = find_user()
    if user is None:
        raise Unauthenticated("You are not signed in.")
    return json_answer({"user_id": user.user_id, "anonymous": user.anonymous})
