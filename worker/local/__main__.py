"""`python -m worker.local`: Redis, worker and web on this machine until Ctrl-C; what `make run` runs.

Exit code 0 after a stop that was asked for, 1 with one sentence on standard error otherwise.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from worker.contract.environment import SettingsError
from worker.local.errors import LocalError
from worker.local.settings import LocalSettings, with_dotenv
from worker.local.system import LocalSystem, StopRequest

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the system in the current directory until a signal; returns the exit code."""
    stop = StopRequest()
    for signum in STOP_SIGNALS:
        # `nohup` ignores SIGHUP, so that the system outlives its terminal.
        if signum is not signal.SIGHUP or signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, lambda *_: stop.request())
    try:
        run(with_dotenv(os.environ, Path(".env")), Path.cwd(), stop)
    except (LocalError, SettingsError) as error:
        print(f"outloud: {error}", file=sys.stderr)
        return 1
    return 0


def run(environ: Mapping[str, str], root: Path, stop: StopRequest) -> None:
    """Start the system, say where it is, and stop it when that is wanted or when a part of it ends.

    Raises:
        SettingsError: the environment is wrong.
        LocalError: something is in the way, or a part ended by itself.
    """
    system = LocalSystem(LocalSettings.from_env(environ), environ, root, stop)
    try:
        system.start()
        if not stop.is_wanted:
            print(system.announcement(), flush=True)
        system.watch()
    finally:
        system.stop()


if __name__ == "__main__":
    sys.exit(main())
