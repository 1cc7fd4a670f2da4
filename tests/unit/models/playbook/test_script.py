"""Scripts are played again from the beginning with what is known."""

from __future__ import annotations

from worker.models.playbook.script import Answer, Call, Outcome, Script, ToolFailed, next_move


def adding() -> Script:
    first = yield Call("number", {"place": 1})
    try:
        second = yield Call("number", {"place": 2})
    except ToolFailed:
        second = 0
    return f"{first + second}"


def test_a_script_stands_where_its_results_end() -> None:
    assert next_move(adding(), []) == Call("number", {"place": 1})
    assert next_move(adding(), [Outcome(1)]) == Call("number", {"place": 2})
    assert next_move(adding(), [Outcome(1), Outcome(2)]) == Answer("3")


def test_a_failure_reaches_the_script_at_its_call() -> None:
    assert next_move(adding(), [Outcome(1), Outcome(None, "away")]) == Answer("1")


def test_a_failure_that_the_script_does_not_deal_with_ends_it_in_words() -> None:
    move = next_move(adding(), [Outcome(None, "away")])
    assert isinstance(move, Answer)
    assert move.text == "I could not finish this: away"
