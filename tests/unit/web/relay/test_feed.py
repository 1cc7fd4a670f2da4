from __future__ import annotations

import pytest

from tests.unit.web.relay.world import LIMITS, World, raw_event
from web.relay.feed import FeedState, Read
from worker.contract.errors import DecodeError


def live_world(events: int = 3) -> World:
    world = World()
    world.append(events)
    world.subscribe()
    world.answer_read()
    assert world.feed.state is FeedState.LIVE
    return world


def test_nothing_is_read_before_the_channel_is_confirmed() -> None:
    world = World()
    assert world.reading is None

    world.subscribe()

    assert world.reading == Read(None, LIMITS.tail_events)


def test_a_feed_begins_with_the_newest_events() -> None:
    world = live_world(20)

    assert (world.feed.ring.first, world.feed.ring.last) == (17, 20)


def test_a_run_without_events_is_live_at_once() -> None:
    world = live_world(0)
    world.append()
    world.deliver()

    assert world.feed.ring.last == 1


def test_what_is_published_while_the_history_is_read_is_merged() -> None:
    world = World()
    world.append(3)
    world.subscribe()
    read = world.reading
    assert read is not None
    page = world.page(read)
    world.append(3)
    for _ in range(3):
        world.deliver()

    world.feed.on_page(read, page)

    assert world.feed.state is FeedState.LIVE
    assert world.feed.ring.last == 6


def test_a_message_that_is_in_the_history_too_is_taken_once() -> None:
    world = World()
    world.append(2)
    world.subscribe()
    world.append(2)
    world.deliver()
    world.deliver()

    world.answer_read()

    assert world.feed.ring.last == 4
    assert world.reading is None


def test_a_hole_is_read_from_the_last_known_event_on() -> None:
    world = live_world(3)
    world.append(2, lost=True)
    world.append()

    world.deliver()

    assert world.reading == Read(3, LIMITS.tail_events)
    world.answer_read()
    assert world.feed.ring.last == 6
    assert world.feed.generation == 0


def test_a_long_hole_is_read_in_pages() -> None:
    world = live_world(3)
    world.append(20, lost=True)
    world.append()
    world.deliver()

    pages = 0
    while world.reading:
        world.answer_read()
        pages += 1

    assert world.feed.ring.last == 24
    assert pages > 3


def test_a_lost_last_message_is_found_by_the_audit() -> None:
    world = live_world(3)
    world.append(lost=True)

    world.audit()
    world.answer_read()

    assert world.feed.ring.last == 4


def test_a_doubled_message_changes_nothing() -> None:
    world = live_world(3)
    world.append()
    double = world.in_flight[0]
    world.deliver()

    world.hear(double)

    assert world.reading is None
    assert world.feed.ring.last == 4


def test_a_message_that_is_not_in_the_log_is_dropped() -> None:
    world = live_world(3)

    world.hear(raw_event(9, 0xBAD))
    while world.reading:
        world.answer_read()

    assert world.feed.state is FeedState.LIVE
    assert (world.feed.ring.last, world.feed.top, world.feed.generation) == (3, 3, 0)


def test_a_message_that_is_no_event_is_refused_and_changes_nothing() -> None:
    world = live_world(3)

    with pytest.raises(DecodeError):
        world.hear(b"hello")

    assert world.feed.state is FeedState.LIVE


def test_after_a_lost_connection_nothing_is_assumed() -> None:
    world = live_world(3)
    world.disconnect()
    world.append(2)

    world.subscribe()

    assert world.reading == Read(3, LIMITS.tail_events)
    world.answer_read()
    assert (world.feed.ring.last, world.feed.generation) == (5, 0)


def test_an_answer_from_before_a_lost_connection_is_ignored() -> None:
    world = World()
    world.append(3)
    world.subscribe()
    read = world.reading
    assert read is not None
    world.disconnect()

    world.feed.on_page(read, world.page(read))

    assert not world.feed.is_placed


def test_a_log_that_was_rolled_back_is_found_by_the_audit() -> None:
    world = live_world(5)
    world.roll_back(2)

    world.audit()
    while world.reading:
        world.answer_read()

    assert (world.feed.ring.last, world.feed.generation) == (3, 1)


def test_a_log_that_was_rolled_back_and_written_anew_is_found_by_its_first_message() -> None:
    world = live_world(5)
    world.roll_back(2)
    world.append(1)

    world.deliver()
    while world.reading:
        world.answer_read()

    assert world.feed.generation == 1
    assert world.feed.ring[4].cursor == world.cursor(4)


def test_a_log_that_was_written_anew_to_the_same_length_is_found_by_the_audit() -> None:
    world = live_world(5)
    world.roll_back(2)
    world.append(2, lost=True)

    world.audit()
    while world.reading:
        world.answer_read()

    assert world.feed.generation == 1
    assert world.feed.ring[5].cursor == world.cursor(5)


def test_a_message_that_contradicts_what_was_read_is_settled_by_the_log() -> None:
    world = live_world(0)
    world.append(lost=True)
    world.audit()
    world.fetch()
    world.roll_back(1)
    world.append(3)
    while world.in_flight:
        world.deliver()

    while world.reading:
        world.answer_read()

    assert world.feed.ring[1].cursor == world.cursor(1)
    assert (world.feed.ring.last, world.feed.generation) == (3, 1)


def test_a_ring_that_contradicts_the_log_is_read_anew() -> None:
    world = live_world(5)
    world.roll_back(5)
    world.append(5, lost=True)

    world.contradict()
    world.answer_read()

    assert world.feed.ring[5].cursor == world.cursor(5)
    assert (world.feed.state, world.feed.generation) == (FeedState.LIVE, 1)


def test_a_complete_ring_that_contradicts_the_log_listens_again() -> None:
    world = live_world(2)
    world.append(terminal=True)
    world.deliver()
    world.roll_back(3)
    world.append(2)

    world.contradict()
    world.settle()

    assert (world.feed.state, world.feed.ring.last) == (FeedState.LIVE, 2)


def test_a_hole_in_the_log_itself_starts_a_new_generation_behind_it() -> None:
    world = live_world(3)
    world.append(3, lost=True)
    del world.log[4]
    world.append()

    world.deliver()
    while world.reading:
        world.answer_read()

    assert (world.feed.ring.first, world.feed.ring.last, world.feed.generation) == (5, 7, 1)


def test_a_log_that_is_gone_leaves_the_feed_behind_what_the_record_counts() -> None:
    world = World()
    world.append(5)
    world.log.clear()

    world.subscribe()
    world.answer_read()

    assert (world.feed.state, world.feed.ring.last) == (FeedState.LIVE, 5)


def test_the_last_event_completes_the_feed() -> None:
    world = live_world(2)
    world.append(terminal=True)
    world.deliver()

    assert world.feed.state is FeedState.COMPLETE
    world.disconnect()
    assert world.feed.state is FeedState.COMPLETE


def test_pending_messages_are_bounded_and_none_is_lost_for_it() -> None:
    world = World()
    world.append(1)
    world.subscribe()
    read = world.reading
    assert read is not None
    page = world.page(read)
    world.append(LIMITS.pending_events * 3)
    while world.in_flight:
        world.deliver()

    world.reading = world.feed.on_page(read, page)
    world.settle()

    assert world.feed.ring.last == world.top
