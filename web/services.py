"""What the request handlers work with: made once by `create_app`, the same for all requests of the process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app
from redis import Redis

from web.catalogue import CatalogueReader
from web.doorbell import Doorbell
from web.driver import Driver
from web.figures.figures import Figures
from web.identity.identity import Identity
from web.relay.relay import Relay
from web.settings import WebSettings
from web.stores.files import FileStore
from web.stores.history import EventHistory
from web.stores.runs import RunStore
from web.stores.threads import ThreadStore
from worker.contract.meters import Meters

EXTENSION = "outloud"


@dataclass(frozen=True, kw_only=True)
class Services:
    """Every member may be used by many OS threads at once."""

    settings: WebSettings
    redis: Redis
    identity: Identity
    catalogue: CatalogueReader
    runs: RunStore
    history: EventHistory
    threads: ThreadStore
    files: FileStore
    doorbell: Doorbell
    driver: Driver
    relay: Relay
    meters: Meters
    figures: Figures


def services() -> Services:
    """Give the services of the app that serves the current request."""
    return cast(Services, current_app.extensions[EXTENSION])
