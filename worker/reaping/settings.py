"""What the environment may set of the reaper; the same in web and worker processes, since any of them may sweep."""

from __future__ import annotations

from dataclasses import dataclass

from worker.contract.environment import Environment
from worker.contract.metric import UNMETERED, Meter
from worker.reaping.rules import ReaperRules
from worker.reaping.sweep import SweepSettings

#: Holders of leases renew within a third of a lease after an outage.
_QUIET_LEASES = 0.4


@dataclass(frozen=True, kw_only=True)
class ReapingSettings:
    """Settings of the reaper."""

    #: A run that has lost so many workers is ended.
    max_losses: int
    #: A run that no worker takes for so long is ended.
    queue_timeout_seconds: float
    lease_seconds: float

    @classmethod
    def from_env(cls, env: Environment) -> ReapingSettings:
        return cls(
            max_losses=env.integer("MAX_LOSSES", 3),
            queue_timeout_seconds=env.number("QUEUE_TIMEOUT_SECONDS", 600, low=1),
            lease_seconds=env.number("LEASE_SECONDS", 10, low=1),
        )

    def sweep(self, reaper_id: str, *, retention_ms: int, meter: Meter = UNMETERED) -> SweepSettings:
        """Give what a process sweeps with; `reaper_id` is its own."""
        rules = ReaperRules(max_losses=self.max_losses, queue_timeout_ms=round(self.queue_timeout_seconds * 1000))
        return SweepSettings(
            reaper_id=reaper_id,
            retention_ms=retention_ms,
            quiet_ms=round(self.lease_seconds * _QUIET_LEASES * 1000),
            rules=rules,
            meter=meter,
        )
