"""Which viewers have shown what of a run: so that "did they see the answer?" has an answer."""

from __future__ import annotations

from typing import Any

import msgspec
from redis import Redis

from worker.contract import keys
from worker.contract.run import RunRecord


class ViewerPlace(msgspec.Struct, frozen=True, kw_only=True):
    """How far one viewer has shown the run."""

    viewer: str
    seq: int
    #: When it said so, in Unix milliseconds.
    at: int
    seen_outcome: bool


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A run's receipts as the API shows them. Times are Unix milliseconds; 0 means not yet."""

    run_id: str
    state: str
    last_seq: int
    outcome_seen: bool
    outcome_seen_at: int
    #: The one that was shown something last comes first; at most a hundred are kept.
    viewers: list[ViewerPlace]


def delivery_of(client: Redis, record: RunRecord) -> Delivery:
    """Read a run's receipts; one round trip."""
    stored: Any = client.hgetall(keys.delivery(record.run_id))
    places = [_place(viewer, value, record) for viewer, value in stored.items()]
    return Delivery(
        run_id=record.run_id,
        state=record.state,
        last_seq=record.last_seq,
        outcome_seen=record.outcome_seen_at > 0,
        outcome_seen_at=record.outcome_seen_at,
        viewers=sorted(places, key=lambda place: (-place.at, place.viewer)),
    )


def _place(viewer: bytes, value: bytes, record: RunRecord) -> ViewerPlace:
    seq, at = map(int, value.split())
    seen_outcome = record.is_finished and seq >= record.last_seq
    return ViewerPlace(viewer=viewer.decode(), seq=seq, at=at, seen_outcome=seen_outcome)
