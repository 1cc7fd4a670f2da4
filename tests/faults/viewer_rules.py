"""What a person sees: every event once and in order, the log's events and no others, to the end."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults import history as h
from tests.faults.facts import Facts, Seen, Violation, last_event, seconds

#: A viewer has the last event this long after it could.
DELIVERY_SECONDS = 15.0

#: Close codes that are right at any time: the viewer's own (0), and done.
_ALWAYS = {0, 1000}
#: Faults that cut the wire between a person and a web process.
_CUTS = {"viewer_link_cut", "viewer_link_swallow", "web_kill"}
_RESTARTS = {"web_term", "rolling"}


def in_order(facts: Facts) -> Iterator[Violation]:
    """Within a subscription, and from one to the next, numbers go up by one from the cursor that was asked for."""
    for (viewer, run_id), entries in facts.seen.items():
        where = f"{viewer}, {run_id}"
        expected = 1
        seen: set[int] = set()
        for entry in entries:
            match entry:
                case h.Subscribed(after=after):
                    expected = _number(after) + 1
                case h.WasReset(cursor=cursor):
                    expected = _number(cursor) + 1
                    seen.clear()
                case h.Received(seq=seq):
                    if seq != expected:
                        yield Violation(_misplacement(seq, expected, seen), where, f"{seq} came, not {expected}")
                    seen.add(seq)
                    expected = seq + 1
                case _:
                    pass


def equal_to_log(facts: Facts) -> Iterator[Violation]:
    """What was shown (after a reset: since then) is what the log holds, event by event."""
    for (viewer, run_id), entries in facts.seen.items():
        where = f"{viewer}, {run_id}"
        final = facts.finals.get(run_id)
        shown = shown_since_reset(entries)
        if _had_left(facts, shown):
            continue
        if final is None:
            if shown and not isinstance(entries[-1], h.Refused):
                yield Violation("acknowledged", where, f"{len(shown)} events were shown of a run that is gone")
            continue
        events = {event["seq"]: event for event in final.log}
        for event in shown:
            logged = events.get(event.seq)
            if logged is None or logged["cursor"] != event.cursor:
                there = logged["cursor"] if logged else "nothing"
                yield Violation("acknowledged", where, f"{event.cursor} was shown, the log holds {there}")
            elif h.digest(logged) != event.digest:
                yield Violation("emitted", where, f"{event.cursor} was shown with other words than the log's")


def complete(facts: Facts) -> Iterator[Violation]:
    """Everyone who watched a run to its end has all of it, soon."""
    open_viewers = facts.quiet.open_viewers if facts.quiet else ()
    for viewer in open_viewers:
        yield Violation("delivered", viewer, "still waits for the last event of a run")
    for (viewer, run_id), entries in facts.seen.items():
        final = facts.finals.get(run_id)
        shown = shown_since_reset(entries)
        if final is None or not shown or not shown[-1].terminal or _had_left(facts, shown):
            continue
        if [event.cursor for event in shown] != [event["cursor"] for event in final.log]:
            yield Violation("equal", f"{viewer}, {run_id}", f"{len(shown)} of {len(final.log)} events were shown")
        yield from _in_time(facts, viewer, final, entries, shown[-1].at)


def resets_have_a_reason(facts: Facts) -> Iterator[Violation]:
    """A viewer begins anew only if the log has forgotten something."""
    if facts.rolled_back:
        return
    for reset in h.of(h.WasReset, facts.entries):
        yield Violation("reset", f"{reset.viewer}, {reset.run_id}", f"{reset.reason} without any loss in the log")
    for refusal in h.of(h.Refused, facts.entries):
        yield Violation("refused", f"{refusal.viewer}, {refusal.run_id}", refusal.code)


def close_codes(facts: Facts) -> Iterator[Violation]:
    """Each closed connection says why; only a fault that cuts the wire excuses silence."""
    allowed = set(_ALWAYS)
    if facts.kinds & _CUTS:
        allowed.add(1006)
    if facts.kinds & _RESTARTS:
        allowed.add(1012)
    for closed in h.of(h.Closed, facts.entries):
        if closed.code not in allowed:
            yield Violation("close_code", closed.viewer, f"closed with {closed.code}")


def shown_since_reset(entries: list[Seen]) -> list[h.Received]:
    """What a viewer has in front of it at the end."""
    shown: list[h.Received] = []
    for entry in entries:
        if isinstance(entry, h.WasReset):
            shown = []
        elif isinstance(entry, h.Received) and entry.shown:
            shown.append(entry)
    return shown


def _had_left(facts: Facts, shown: list[h.Received]) -> bool:
    """A viewer that had seen the end before the log forgot it does not hear of it."""
    return bool(shown) and shown[-1].terminal and shown[-1].at < facts.rolled_back_at


def _in_time(facts: Facts, viewer: str, final: h.FinalRun, entries: list[Seen], shown_at: float) -> Iterator[Violation]:
    last = last_event(final)
    subscribed_at = next((entry.at for entry in entries if isinstance(entry, h.Subscribed)), 0.0)
    if last is None:
        return
    could = facts.healed_before(max(seconds(last), subscribed_at), shown_at)
    if shown_at - could > DELIVERY_SECONDS:
        words = f"the last event was shown {shown_at - could:.1f} s after it could be"
        yield Violation("delivered", f"{viewer}, {final.run_id}", words)


def _misplacement(seq: int, expected: int, seen: set[int]) -> str:
    if seq > expected:
        return "contiguous"
    return "unique" if seq in seen else "ordered"


def _number(cursor: str) -> int:
    return int(cursor.partition("-")[0])
