"""A server that loses what was written last, as one that is killed between two syncs of its append-only file does."""

from __future__ import annotations

from typing import Any

import redis

from worker.contract import keys

_KEYS_OF_A_RUN = (keys.run, keys.log, keys.journal, keys.approvals)


class Snapshot:
    """A run as the server holds it now, and other keys that are to go with it. `client` answers bytes."""

    def __init__(self, client: redis.Redis, run_id: str, *others: str) -> None:
        self._client = client
        names = [*(build(run_id) for build in _KEYS_OF_A_RUN), *others]
        self._held: dict[str, Any] = {name: client.dump(name) for name in names}

    def put_back(self) -> None:
        """Lose all that was written since."""
        for name, raw in self._held.items():
            self._client.delete(name)
            if raw is not None:
                self._client.restore(name, 0, raw)


def forget(client: redis.Redis, run_id: str) -> None:
    """Lose the run altogether."""
    client.delete(*(build(run_id) for build in _KEYS_OF_A_RUN))
    client.zrem(keys.RUNS_LIVE, run_id)
