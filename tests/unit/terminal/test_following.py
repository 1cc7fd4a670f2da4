"""Which messages of an event stream are news, and from where to ask again."""

from __future__ import annotations

import json

import pytest

from tests.support.stories import event, story
from web.terminal.following import Gone, Hole, News, Place, Restart
from worker.contract.cursor import BEGINNING, Cursor


def said(seq: int) -> str:
    return event(seq, "partial_result", {"message_id": "m", "text": "x"}).decode()


def test_events_in_order_are_news_exactly_as_they_came() -> None:
    place = Place(BEGINNING)
    events = story("crew_answer")

    moves = [place.receive("message", raw.decode()) for raw in events]

    assert moves == [News(raw, terminal=raw is events[-1]) for raw in events]
    assert place.cursor == json.loads(events[-1])["cursor"]


def test_what_was_read_before_is_passed_over() -> None:
    place = Place(BEGINNING)
    for seq in (1, 2, 3):
        place.receive("message", said(seq))

    assert [place.receive("message", said(seq)) for seq in (1, 2, 3)] == [None, None, None]
    assert place.cursor == "3-00000003"


def test_a_hole_moves_nothing() -> None:
    place = Place(Cursor(4, "0000abcd"))

    assert place.receive("message", said(6)) == Hole()
    assert place.cursor == "4-0000abcd"
    assert isinstance(place.receive("message", said(5)), News)


@pytest.mark.parametrize("data", ["{}", "nonsense", '{"type":"x","seq":1}'])
def test_what_is_no_event_counts_as_a_hole(data: str) -> None:
    assert Place(BEGINNING).receive("message", data) == Hole()


def test_a_message_without_data_says_nothing_about_the_run() -> None:
    assert Place(BEGINNING).receive("message", "") is None


def test_a_reset_begins_anew_where_it_says() -> None:
    place = Place(Cursor(9, "0000abcd"))

    assert place.receive("reset", '{"run_id":"r","reason":"forked","cursor":"0"}') == Restart("forked", "0")
    assert place.cursor == "0"
    assert isinstance(place.receive("message", said(1)), News)


def test_a_trimmed_log_begins_later() -> None:
    place = Place(BEGINNING)

    assert place.receive("reset", '{"run_id":"r","reason":"trimmed","cursor":"41"}') == Restart("trimmed", "41")
    assert isinstance(place.receive("message", said(42)), News)


def test_a_reset_that_cannot_be_read_begins_at_the_beginning() -> None:
    place = Place(Cursor(9))

    assert place.receive("reset", "?") == Restart("", "0")
    assert place.cursor == "0"


def test_a_run_that_the_server_has_lost_is_gone() -> None:
    assert Place(BEGINNING).receive("gone", '{"run_id":"r"}') == Gone()


def test_messages_of_unknown_name_are_passed_over() -> None:
    assert Place(BEGINNING).receive("weather", said(1)) is None


def test_events_of_unknown_type_are_news() -> None:
    raw = event(1, "agent_dreaming", {"sheep": 3})

    assert Place(BEGINNING).receive("message", raw.decode()) == News(raw, terminal=False)
