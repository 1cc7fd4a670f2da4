"""How every process of the system logs: to stdout, one JSON object per line, or plain lines on a terminal.

The message is constant text and the facts are `extra` fields, so that the lines of web and worker about one run are
found by its `run_id`. Prompts, answers and arguments are never among them.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterable
from typing import Any

#: What every record has; anything else came in through `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "facts"}


class JsonFormatter(logging.Formatter):
    """One line of JSON per record: `at`, `level`, `logger`, `message`, the `extra` facts, and a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_facts_of(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class PlainFormatter(logging.Formatter):
    """One line for a person, with the `extra` facts behind it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s%(facts)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        record.facts = "".join(f" {name}={value}" for name, value in _facts_of(record).items())
        return super().format(record)


def configure_logs(*, level: int = logging.INFO, quiet: Iterable[str] = ()) -> None:
    """Send every log line of this process to stdout. Called once per process.

    Args:
        quiet: Loggers of libraries whose lines below WARNING are left out.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(PlainFormatter() if sys.stdout.isatty() else JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)


def _facts_of(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}
