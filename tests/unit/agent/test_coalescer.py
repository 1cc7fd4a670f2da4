from __future__ import annotations

from worker.agent.coalescer import INTERVAL_SECONDS, MAX_CHARACTERS, Coalescer, DeltaKey

ANSWER = DeltaKey("answer", "a1", "m1")
THOUGHT = DeltaKey("thinking", "a1", "1")


def test_the_first_delta_is_due_at_once() -> None:
    assert Coalescer().add(ANSWER, "Hello", now=100.0) == 0.0


def test_a_delta_soon_after_another_waits_for_the_rest_of_the_interval() -> None:
    coalescer = Coalescer()
    coalescer.add(ANSWER, "Hello", now=100.0)
    coalescer.take(now=100.0)

    due = coalescer.add(ANSWER, " you", now=100.01)

    assert abs(due - (INTERVAL_SECONDS - 0.01)) < 1e-9


def test_pending_deltas_are_handed_over_as_one_text() -> None:
    coalescer = Coalescer()
    for piece in ("a", "b", "c"):
        coalescer.add(ANSWER, piece, now=1.0)

    assert coalescer.take(now=1.0) == (ANSWER, "abc")
    assert coalescer.take(now=1.0) is None


def test_a_long_text_is_due_at_once() -> None:
    coalescer = Coalescer()
    coalescer.take(now=1.0)
    coalescer.add(ANSWER, "x", now=1.0)
    coalescer.take(now=1.0)

    assert coalescer.add(ANSWER, "x" * MAX_CHARACTERS, now=1.0) == 0.0


def test_another_text_must_push_out_the_pending_one() -> None:
    coalescer = Coalescer()
    coalescer.add(ANSWER, "x", now=1.0)

    assert coalescer.conflicts(THOUGHT)
    assert not coalescer.conflicts(ANSWER)
