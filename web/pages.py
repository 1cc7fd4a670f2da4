"""The page: one document for all threads; the browser fills it."""

from __future__ import annotations

from flask import Blueprint, render_template

from web.identity.request import find_user
from web.identity.user import session_of
from web.services import services

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
@blueprint.get("/t/<thread_id>")
def show_page(thread_id: str = "") -> str:
    """Render the page; whether the thread exists is found out by the browser, which can say so better."""
    user = find_user()
    session = session_of(user) if user else None
    return render_template("index.html", thread_id=thread_id, settings=services().settings, session=session)
