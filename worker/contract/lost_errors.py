"""Logs errors that nobody has waited for. Python and asyncio would write them to stderr, words and all."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from typing import Any

from worker.contract.log_lines import bound, bound_in

logger = logging.getLogger(__name__)

#: How a loop's message begins that goes on with the callback, and with what that was given.
_CALLBACK = "Exception in callback"


def catch_lost_errors() -> None:
    """From here on in this process; event loops need `log_loop_error` as their exception handler."""
    threading.excepthook = _log_thread_error
    sys.unraisablehook = _log_unraisable


def log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody has waited for, as an event loop's exception handler: asyncio's own writes the error's words."""
    task = context.get("task") or context.get("future")
    # Python 3.12 and later: what was bound where the task was made says whose error it is.
    facts = bound_in(task.get_context()) if isinstance(task, asyncio.Task) and hasattr(task, "get_context") else {}
    message: str = context["message"]
    words = _CALLBACK if message.startswith(_CALLBACK) else message
    with bound(**facts):
        logger.error(words, exc_info=context.get("exception"), extra={"action": "task_failed"})


def _log_thread_error(caught: threading.ExceptHookArgs) -> None:
    name = caught.thread.name if caught.thread is not None else ""
    logger.error("OS thread failed", exc_info=caught.exc_value, extra={"action": "thread_failed", "os_thread": name})


def _log_unraisable(caught: sys.UnraisableHookArgs) -> None:
    logger.error("error while something was tidied up", exc_info=caught.exc_value, extra={"action": "tidying_failed"})
