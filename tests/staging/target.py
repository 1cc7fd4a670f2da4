"""What is checked: a deployment that is known by its address alone."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.staging.platform.certificates import pin_at, trusting
from tests.staging.platform.errors import PartMissing
from tests.staging.platform.platform import Platform
from tests.staging.report.model import Report
from tests.support.client import Client


@dataclass(frozen=True)
class Target:
    """A deployment."""

    #: Without a slash at the end.
    url: str
    #: None where the address is plain http.
    tls: ssl.SSLContext | None
    #: PEM of the private authority that vouches for it; None if it needs none.
    authority: Path | None = None
    #: Hash of a public key that the browser accepts though it knows nobody who vouches for it; empty for none.
    pin: str = ""

    def new_user(self) -> Client:
        """Somebody who has never been here."""
        return Client(self.url, tls=self.tls)

    @property
    def catalogue(self) -> dict[str, object]:
        """What can run there."""
        with httpx.Client(base_url=self.url, verify=self.tls or True, timeout=30) as http:
            return dict(http.get("/api/agents").raise_for_status().json())


def target_at(url: str, authority: Path | None) -> Target:
    """A deployment somewhere.

    Args:
        authority: PEM of a private authority that vouches for it; None for those that the machine trusts.

    Raises:
        PartMissing: it does not answer.
    """
    url = url.rstrip("/")
    tls = trusting(authority) if url.startswith("https://") else None
    try:
        with httpx.Client(base_url=url, verify=tls or True, timeout=30) as http:
            answer = http.get("/readyz")
        # A browser knows no private authority.
        place = urlsplit(url)
        pin = pin_at(place.hostname or "", place.port or 443, tls) if tls and authority else ""
    except (httpx.HTTPError, OSError) as error:
        raise PartMissing("deployment", f"nothing answers at {url}: {error}") from None
    if answer.status_code != 200:
        raise PartMissing("deployment", f"{url}/readyz answers {answer.status_code}: {answer.text[:500]}")
    return Target(url, tls, authority, pin)


TARGET = pytest.StashKey[Target]()
PLATFORM = pytest.StashKey[Platform]()
REPORT = pytest.StashKey[Report]()
