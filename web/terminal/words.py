"""Plain words for the states and codes of the contract, the same as the page's (`web/static/js/words.js`)."""

from __future__ import annotations

from typing import NamedTuple

from worker.contract.events import Failure

#: What went wrong, as a heading; the event's own message says the rest.
FAILURES = {
    "unknown_agent": "There is no such agent",
    "agent_error": "The agent ran into an error",
    "run_timeout": "This took longer than it may",
    "step_limit": "The agent needed more steps than it may take",
    "event_limit": "The agent had more to tell than a run may hold",
    "worker_lost": "The worker that ran this was lost",
    "no_worker": "No worker took this in time",
    "stalled": "This made no progress for too long",
    "journal_mismatch": "The agent has changed since this began",
    "log_unavailable": "The steps could not be stored",
    "log_lost": "The steps of this run are lost",
    "model_auth": "The model provider refused the key",
    "model_not_found": "The model does not exist",
    "model_unreachable": "The model could not be reached",
    "model_interrupted": "The model broke off in the middle",
    "model_overloaded": "The model is overloaded",
    "model_rejected": "The model refused the request",
    "unknown_tool": "There is no such tool",
    "invalid_arguments": "The tool was called with the wrong arguments",
    "tool_error": "The tool failed",
    "tool_timeout": "The tool took too long",
    "tool_result_invalid": "The tool returned something unreadable",
    "denied": "The call was not allowed",
    "cancelled": "Stopped",
    "interrupted": "It is not known whether this happened",
}

CALL_STATES = {
    "running": "working",
    "completed": "done",
    "failed": "failed",
    "cancelled": "stopped",
    "interrupted": "interrupted",
}

TOOL_STATES = {
    "running": "running",
    "ok": "done",
    "error": "failed",
    "denied": "denied",
    "cancelled": "stopped",
    "interrupted": "interrupted",
}

DECISIONS = {
    "approved": "You allowed this call.",
    "denied": "You denied this call.",
    "expired": "Nobody decided in time.",
}
CHANGED = "You allowed this call with changed arguments."

#: How a run ended.
OUTCOMES = {"completed": "Done", "failed": "Failed", "cancelled": "Stopped"}

STOPPED_IN_ANSWER = "Stopped before the answer was finished. What was written so far is kept."
LOST = "The server has lost this run. Ask again."


class FailureWords(NamedTuple):
    title: str
    #: What happened, without saying again what the title has said; may be empty.
    text: str


def failure_words(error: Failure | None) -> FailureWords:
    """Say what went wrong."""
    title = FAILURES.get(error.code, "") if error else ""
    title = title or "Something went wrong"
    message = error.message if error else ""
    if not message.lower().startswith(title.lower()):
        return FailureWords(title, message)
    return FailureWords(title, message[len(title) :].lstrip(" \t\n.:,;-"))


def decision_words(decision: str, *, edited: bool) -> str:
    """Say who decided what; a run is its owner's alone, hence "you"."""
    if decision == "approved" and edited:
        return CHANGED
    return DECISIONS.get(decision, decision)
