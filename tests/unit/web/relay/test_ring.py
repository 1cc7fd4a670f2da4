from __future__ import annotations

import pytest

from tests.unit.web.relay.world import raw_event
from web.relay.frames import text_frame
from web.relay.ring import Ring, read_event, split, unbroken_from, unbroken_until


def filled(count: int, *, max_events: int = 100, max_bytes: int = 100_000, text: str = "") -> Ring:
    ring = Ring(max_events=max_events, max_bytes=max_bytes)
    for seq in range(1, count + 1):
        ring.append(read_event(raw_event(seq, seq, text=text)))
    return ring


def test_the_oldest_events_leave_when_there_are_too_many() -> None:
    ring = filled(10, max_events=4)

    assert (ring.first, ring.last, len(ring)) == (7, 10, 4)
    assert 6 not in ring


def test_the_oldest_events_leave_when_they_weigh_too_much() -> None:
    ring = filled(10, max_bytes=3000, text="x" * 1000)

    assert (ring.first, ring.last) == (9, 10)


def test_one_event_stays_however_heavy() -> None:
    assert len(filled(3, max_bytes=10)) == 1


def test_an_event_that_would_leave_a_hole_is_a_defect() -> None:
    with pytest.raises(ValueError, match="event 5 after 3"):
        filled(3).append(read_event(raw_event(5, 5)))


def test_an_empty_ring_has_a_place() -> None:
    ring = filled(3)

    ring.place(41)

    assert (ring.first, ring.last, len(ring)) == (42, 41, 0)
    ring.append(read_event(raw_event(42, 1)))


def test_a_single_event_goes_out_as_the_frame_that_was_built_with_it() -> None:
    ring = filled(3)

    assert ring.batch(3, 1000).frame is ring[3].frame
    assert ring[3].frame == text_frame(raw_event(3, 3))


def test_several_events_go_out_as_one_array_that_all_viewers_share() -> None:
    ring = filled(3)

    batch = ring.batch(2, 1000)

    assert batch.frame == text_frame(b"[" + raw_event(2, 2) + b"," + raw_event(3, 3) + b"]")
    assert ring.batch(2, 1000) is batch


def test_a_shared_batch_does_not_outlive_a_new_event() -> None:
    ring = filled(3)
    ring.batch(2, 1000)

    ring.append(read_event(raw_event(4, 4)))

    assert ring.batch(2, 1000).last.seq == 4


def test_a_batch_is_bounded_and_never_empty() -> None:
    events = [read_event(raw_event(seq, seq, text="x" * 100)) for seq in range(1, 4)]

    assert split(events, 10) == 1
    assert split(events, events[0].size * 2) == 2
    assert split([], 10) == 0


def test_the_unbroken_parts_of_a_page_are_found() -> None:
    events = [read_event(raw_event(seq, seq)) for seq in (1, 2, 4, 7, 8)]

    assert unbroken_until(events) == 2
    assert unbroken_from(events) == 3
    assert (unbroken_until([]), unbroken_from([])) == (0, 0)


def test_a_ring_is_complete_when_the_last_event_of_the_run_is_in_it() -> None:
    ring = filled(2)
    assert not ring.is_complete

    ring.append(read_event(raw_event(3, 3, terminal=True)))

    assert ring.is_complete
