"""The worker, broken as the environment says: `celery -A tests.faults.mutant_worker worker`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from tests.faults.variables import MUTANT
from worker.contract import scripts
from worker.contract.run import RunRecord
from worker.log import RunLog
from worker.running import Left

#: What is taken out of the scripts, so that an attempt which has lost its run goes on.
_FENCE: Mapping[str, Mapping[str, str]] = {
    "append": {
        "if attempt ~= holder or token ~= holder_token then": "if false then",
        "if number <= last_number then": "if false then",
        "if number ~= last_number + 1 then": "if false then",
    },
    "renew": {
        "if state ~= 'running' or attempt ~= ARGV[1] or token ~= ARGV[2] then": "if state ~= 'running' then",
        "if tonumber(number) < tonumber(ARGV[3]) then": "if false then",
    },
}


def _ignore_fence() -> None:
    """Stale attempts may write and renew."""
    load = scripts.load

    def load_without_fence(name: str) -> scripts.Script:
        source = load(name).source
        for check, nothing in _FENCE.get(name, {}).items():
            if check not in source:
                raise AssertionError(f"{name}.lua has changed: {check!r} is not in it")
            source = source.replace(check, nothing)
        return scripts.Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())

    scripts.load = load_without_fence  # type: ignore[assignment]


def _ignore_journal() -> None:
    """A new attempt knows nothing of the earlier ones."""

    async def left(self: RunLog, record: RunRecord) -> Left:
        del self, record
        return Left([], {}, {})

    RunLog.left = left  # type: ignore[method-assign]


{"ignores_fence": _ignore_fence, "ignores_journal": _ignore_journal}[os.environ[MUTANT]]()

from worker.celery import app as app  # noqa: E402 - made from what was changed above
