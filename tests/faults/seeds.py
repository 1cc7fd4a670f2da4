"""Plays seeds on one fleet after another's work: a fleet that is broken by one is replaced for the next."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.faults.checker import Figures, check, measure
from tests.faults.facts import Violation
from tests.faults.fleet import Fleet
from tests.faults.history import Entry, Quiet, of, write
from tests.faults.play import QUIET_SECONDS, play
from tests.faults.schedule import Schedule
from tests.faults.script import ScriptedModel
from tests.support.environment import ROOT
from tests.support.model_provider import ModelProvider

#: Where the histories of failed seeds are written.
ARTIFACTS = ROOT / "test-artifacts" / "faults"


class SeedResult(NamedTuple):
    """What became of one seed; without figures when the harness itself failed."""

    seed: int
    seconds: float
    figures: Figures | None
    violations: list[Violation]
    #: Where its history is, if it failed.
    file: Path | None = None


class Player:
    """Plays schedules, starting fleets as needed; a context manager. `options` are those of `Fleet`."""

    def __init__(
        self,
        directory: Path,
        *,
        artifacts: Path = ARTIFACTS,
        quiet_seconds: float = QUIET_SECONDS,
        **options: object,
    ) -> None:
        self._directory = directory
        self._artifacts = artifacts
        self._quiet_seconds = quiet_seconds
        self._options = options
        self._fleets = 0
        self._fleet: Fleet | None = None
        self._provider = ModelProvider()
        self._model = ScriptedModel(self._provider)

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_fleet()
        self._provider.stop()

    def play(self, schedule: Schedule) -> SeedResult:
        """Play one; a fleet that does not come to rest is thrown away afterwards."""
        begun = time.monotonic()
        try:
            entries = play(self._running_fleet(), schedule, self._model, quiet_seconds=self._quiet_seconds)
        except Exception as error:  # noqa: BLE001 - the other seeds go on
            self._stop_fleet()
            failed = Violation("harness", f"seed {schedule.seed}", _explain(error))
            return SeedResult(schedule.seed, time.monotonic() - begun, None, [failed])
        finally:
            self._provider.requests.clear()
        if not all(quiet.in_time for quiet in of(Quiet, entries)):
            self._stop_fleet()
        violations = check(entries)
        file = self._keep(schedule.seed, entries) if violations else None
        return SeedResult(schedule.seed, time.monotonic() - begun, measure(entries), violations, file)

    def _keep(self, seed: int, entries: Iterable[Entry]) -> Path:
        file = self._artifacts / f"seed-{seed}.jsonl"
        write(entries, file)
        return file

    def _running_fleet(self) -> Fleet:
        if self._fleet is None:
            self._fleets += 1
            settings: Mapping[str, str] = self._options.get("settings", {})  # type: ignore[assignment]
            options = {**self._options, "settings": {**self._provider.environment(), **settings}}
            self._fleet = Fleet(self._directory / f"fleet-{self._fleets}", **options)  # type: ignore[arg-type]
            self._fleet.start()
        return self._fleet

    def _stop_fleet(self) -> None:
        fleet, self._fleet = self._fleet, None
        if fleet is not None:
            fleet.stop()


def _explain(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(map(_explain, error.exceptions))
    return f"{type(error).__name__}: {error}"
