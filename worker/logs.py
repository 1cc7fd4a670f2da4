"""Log lines of the worker: JSON on a platform, plain on a terminal. Prompts, answers and arguments are never among
them.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

#: What a record has anyway; anything else was given as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One line of JSON a record, `extra` fields beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


def configure_logs(*, level: int = logging.INFO) -> None:
    """Send every log line to standard output. Called once per process."""
    handler = logging.StreamHandler(sys.stdout)
    if sys.stdout.isatty():
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
    else:
        handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # One line per run is ours; theirs would be one per message and one per HTTP call.
    for noisy in ("celery.worker.strategy", "celery.app.trace", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
