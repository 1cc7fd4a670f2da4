"""An operator of a running system: by the operators' API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from tests.support.waiting import scaled, wait_until

PASSWORD = "correct horse battery"
NAME = "anna"

Told = dict[str, Any]


class Operator:
    """Signed in with the password; a system needs `OPS_PASSWORD=PASSWORD` for it."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, auth=(NAME, PASSWORD), timeout=scaled(15))

    def close(self) -> None:
        self._http.close()

    def look(self) -> Told:
        return dict(self._http.get("/api/ops").raise_for_status().json())

    def run(self, run_id: str) -> Told:
        return dict(self._http.get(f"/api/ops/runs/{run_id}").raise_for_status().json())

    def hour(self) -> Told:
        return dict(self._http.get("/api/ops/hour").raise_for_status().json())

    def do(self, run_id: str, action: str, **body: Any) -> Told:
        answer = self._http.post(f"/api/ops/runs/{run_id}/{action}", json=body)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def card_of(self, worker_id: str, *, runs: int) -> Told:
        """What a worker said of itself with its last sign of life, once that names so many runs; else nothing."""
        cards = {worker["worker_id"]: worker["about"] for worker in self.look()["workers"]}
        card = cards.get(worker_id)
        return dict(card) if card is not None and card["runs"] == runs else {}

    def line_of(self, run_id: str, is_wanted: Callable[[Told], bool], *, seconds: float = 15, what: str = "") -> Told:
        """The run's line, once it is as wanted."""

        def find() -> Told | None:
            return next((run for run in self.look()["runs"] if run["run_id"] == run_id and is_wanted(run)), None)

        found = wait_until(find, seconds, what=what or f"/api/ops shows {run_id} as wanted")
        assert found is not None
        return found
