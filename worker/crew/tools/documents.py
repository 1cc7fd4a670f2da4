"""Tools for the user's documents."""

from __future__ import annotations

from typing import Any

from worker.agent.tool import ToolContext, tool
from worker.crew.errors import BadRequest
from worker.crew.shapes import table_result

MAX_HITS = 20


@tool(idempotent=True)
def list_documents(ctx: ToolContext) -> dict[str, Any]:
    """List the user's documents: name and size in bytes."""
    return table_result(
        ["name", "size"], [[document["name"], document["size"]] for document in ctx.workspace.documents()]
    )


@tool(idempotent=True)
def search_documents(ctx: ToolContext, query: str, limit: int = 5) -> dict[str, Any]:
    """Search the user's documents by words; returns the best passages, with the words in bold.

    Args:
        query: Words to look for; any of them may match.
        limit: Passages to return, at most 20.
    """
    hits = ctx.workspace.search(query, limit=max(1, min(limit, MAX_HITS)))
    return table_result(["name", "snippet", "score"], [[hit["name"], hit["snippet"], hit["score"]] for hit in hits])


@tool(idempotent=True)
def add_document(ctx: ToolContext, name: str, text: str) -> dict[str, Any]:
    """Store a text as a document of the user, in the place of one with the same name.

    Args:
        name: Name of the document, such as `notes.md`.
        text: Its text.
    """
    return ctx.workspace.add_document(name, text)


@tool(idempotent=True, requires_approval=True)
def remove_document(ctx: ToolContext, name: str) -> dict[str, Any]:
    """Remove a document of the user, only if the user asked for it.

    Args:
        name: Its exact name.
    """
    if not ctx.workspace.remove_document(name):
        names = ", ".join(document["name"] for document in ctx.workspace.documents()[:40]) or "none"
        raise BadRequest(f"There is no document {name[:80]!r}; there are: {names}.")
    return {"removed": name}
