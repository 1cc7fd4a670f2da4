"""What can run, as the workers have published it."""

from __future__ import annotations

from typing import Any

import msgspec
from redis import Redis

from worker.contract import keys
from worker.contract.catalogue import AgentInfo, Catalogue

#: Before any worker has started.
EMPTY = Catalogue(agents=[], default_agent="", model="", offline=False)


class CatalogueReader:
    """Reads the catalogue anew for every use: it is small, and a worker with other agents may start at any time."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def read(self) -> Catalogue:
        """Give the catalogue; `EMPTY` when no worker has ever started."""
        raw: Any = self._client.get(keys.CATALOGUE)
        return msgspec.json.decode(raw, type=Catalogue) if raw else EMPTY


def find_agent(catalogue: Catalogue, name: str) -> AgentInfo | None:
    """Look an agent up by its name."""
    return next((agent for agent in catalogue.agents if agent.name == name), None)
