"""`python -m web`: the web process of the Procfile: gunicorn, once the settings are right; what follows is gunicorn's.

gunicorn reads WEB_CONCURRENCY itself while it is imported, where a typing error is a traceback. So the settings are
read here first, and the team's sign-in is imported, and then this process becomes gunicorn: with nothing imported yet.
"""

from __future__ import annotations

import os
import sys

from web.check import look
from worker.contract.environment import SettingsError

_GUNICORN = ("-m", "gunicorn", "web.app:create_app()", "--config", "python:web.gunicorn")


def main() -> None:
    """Become gunicorn, or end with a message that names every problem of the settings."""
    side = look(os.environ)
    if side.problems:
        sys.exit(str(SettingsError(list(side.problems))))
    # An empty one counts as not set everywhere here, but not for gunicorn.
    environ = {**os.environ, "WEB_CONCURRENCY": str(side.processes)}
    os.execve(sys.executable, [sys.executable, *_GUNICORN, *sys.argv[1:]], environ)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
