"""gunicorn's own lines, written as all others are: what `logger_class` names in `gunicorn`."""

from __future__ import annotations

import logging
import os
from typing import Any

from gunicorn.glogging import Logger

from worker.contract.environment import Environment
from worker.contract.log_lines import configure_logs, level_of

#: They would log a webhook's address, which may hold a token.
QUIET_LOGGERS = ("httpx2", "httpcore2")


class GunicornLogger(Logger):  # type: ignore[misc]
    """Hands every line to the root logger."""

    def setup(self, cfg: Any) -> None:
        """Called once, in the master; its worker processes inherit it."""
        configure_logs(level=level_of(Environment(os.environ)), quiet=QUIET_LOGGERS)
        self.error_log.propagate = True
        self.error_log.handlers.clear()
        self.error_log.setLevel(logging.NOTSET)
