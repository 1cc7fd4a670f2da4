"""What a viewer was sent of a run, as one span: from the subscription to the run's last event, or to its end."""

from __future__ import annotations

import re
import time

from opentelemetry.trace import Span, SpanKind

from web.relay.ring import Batch, LoggedEvent
from worker.contract import tracing

_AT = re.compile(rb'"at":([0-9]{1,16})')
#: The envelope is at the front of an event, and ids and names are short.
_ENVELOPE_BYTES = 1024


class Trail:
    """Of one follower. Two events of the span say when the first and the last event went out, and how old they were."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._sent = 0
        self._last_seq = 0
        self._outcome = "left"

    def sent(self, batch: Batch) -> None:
        """These events have been written to the socket."""
        if not self._sent:
            self._note("first_event_sent", batch.events[0])
        self._sent += len(batch.events)
        self._last_seq = batch.last.seq
        if batch.last.header.terminal:
            self._note("last_event_sent", batch.last)
            self._outcome = "ended"

    def end(self) -> None:
        self._span.set_attribute("outloud.events_sent", self._sent)
        self._span.set_attribute("outloud.last_seq", self._last_seq)
        self._span.set_attribute("outloud.outcome", self._outcome)
        self._span.end()

    def _note(self, name: str, event: LoggedEvent) -> None:
        attributes: dict[str, tracing.Value] = {"outloud.seq": event.seq, "outloud.event": event.header.type}
        found = _AT.search(event.payload[:_ENVELOPE_BYTES])
        if found is not None:
            attributes["outloud.lag_ms"] = max(0, time.time_ns() // 1_000_000 - int(found[1]))
        self._span.add_event(name, attributes)


def begin_trail(run_id: str, traceparent: str, *, asked_ns: int) -> Trail | None:
    """Begin a trail for a viewer that asked at this time, in Unix nanoseconds; None where nothing is traced."""
    if not traceparent:
        return None
    span = tracing.start(
        "follow run",
        kind=SpanKind.SERVER,
        place=tracing.place_of(traceparent),
        attributes={"outloud.run_id": run_id},
        start_ns=asked_ns,
    )
    return Trail(span) if span.is_recording() else None
