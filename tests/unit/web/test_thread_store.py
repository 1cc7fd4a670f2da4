from __future__ import annotations

from web.stores.threads import title_of


def test_a_thread_is_named_after_its_first_message() -> None:
    assert title_of("Which region\n\n lost most?") == "Which region lost most?"


def test_a_long_title_is_cut_with_a_mark() -> None:
    title = title_of("word " * 1000)

    assert len(title) <= 80
    assert title.endswith("word…")
