"""The page: one document for all threads; the browser fills it."""

from __future__ import annotations

from flask import Blueprint, render_template

from web.services import services

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
@blueprint.get("/t/<thread_id>")
def show_page(thread_id: str = "") -> str:
    """Render the page; whether the thread exists is found out by the browser, which can say so better."""
    return render_template("index.html", thread_id=thread_id, settings=services().settings)
