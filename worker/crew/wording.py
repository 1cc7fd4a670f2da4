"""Which column a word of a question means: by equal words, by their stems, by a short list of synonyms. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

Role = Literal["measure", "dimension", "period"]


class Concept(NamedTuple):
    """A thing that people ask about, with the words they and their columns use for it."""

    role: Role
    words: frozenset[str]


def _concept(role: Role, words: str) -> Concept:
    return Concept(role, frozenset(words.split()))


CONCEPTS: Mapping[str, Concept] = {
    "revenue": _concept("measure", "revenue sale turnover income amount earning"),
    "profit": _concept("measure", "profit margin ebit"),
    "cost": _concept("measure", "cost expense spend spending expenditure"),
    "price": _concept("measure", "price fee"),
    "quantity": _concept("measure", "quantity qty unit volume sold count"),
    "orders": _concept("measure", "order purchase transaction"),
    "visits": _concept("measure", "visit session traffic pageview view click"),
    "time taken": _concept("measure", "duration latency minute hour second"),
    "rating": _concept("measure", "rating score satisfaction nps"),
    "salary": _concept("measure", "salary wage pay"),
    "stock": _concept("measure", "stock inventory"),
    "region": _concept("dimension", "region area territory zone country market state city location"),
    "product": _concept("dimension", "product item sku article"),
    "category": _concept("dimension", "category segment type kind group class"),
    "customer": _concept("dimension", "customer client account buyer user"),
    "channel": _concept("dimension", "channel source medium campaign"),
    "department": _concept("dimension", "department team division unit"),
    "person": _concept("dimension", "employee agent seller rep salesperson person"),
    "store": _concept("dimension", "store shop branch outlet"),
    "status": _concept("dimension", "status stage priority"),
    "time": _concept("period", "date day week month quarter year time period"),
}

LOSS_WORDS = frozenset(
    {"lose", "lost", "loss", "losing", "drop", "dropped", "fall", "fell", "fallen", "decline", "declined", "decrease"}
    | {"decreased", "shrink", "shrank"}
)
GAIN_WORDS = frozenset(
    {"grow", "grew", "grown", "growth", "gain", "gained", "increase", "increased", "rise", "rose", "risen"}
)
CHANGE_WORDS = LOSS_WORDS | GAIN_WORDS | {"trend", "change", "changed", "develop", "developed", "evolve"}

_WORD = re.compile(r"[a-z]+|\d+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def words(text: str) -> list[str]:
    """The words of a question or a column name, lower case and singular: `OrderDates` gives order, date."""
    return [_singular(word) for word in _WORD.findall(_HUMP.sub(" ", text).lower())]


def asks_about_change(question: str) -> bool:
    """Whether a question needs two points in time."""
    return bool(CHANGE_WORDS & set(words(question)))


def concepts_in(text: str, role: Role) -> list[str]:
    """The concepts of a role that a question names, in the order in which it names them."""
    asked = words(text)
    places = {
        name: min(asked.index(word) for word in concept.words if word in asked)
        for name, concept in CONCEPTS.items()
        if concept.role == role and concept.words & set(asked)
    }
    return sorted(places, key=lambda name: places[name])


def match_column(question: str, columns: Iterable[str], role: Role) -> str | None:
    """Find the column that a question means; None when it names none of them.

    A column's own name in the question counts more than a synonym, an early word more than a late one.
    """
    asked = words(question)
    scored = [(_score(asked, words(column), role), -place, column) for place, column in enumerate(columns)]
    best = max(scored, default=(0.0, 0, ""))
    return best[2] if best[0] > 0 else None


def unmatched_concepts(question: str, columns: Iterable[str], role: Role) -> list[str]:
    """The concepts of a role that a question names and no column stands for."""
    present = {word for column in columns for word in words(column)}
    return [name for name in concepts_in(question, role) if not CONCEPTS[name].words & present]


def _score(asked: list[str], column: list[str], role: Role) -> float:
    # From 1 for the first word of the question down to 0.9 for the last.
    weight = {word: 1.0 - place / (10 * len(asked)) for place, word in reversed(list(enumerate(asked)))}
    matched = [weight[word] for word in column if word in weight]
    # Of two columns with the word, the one with fewer words besides it: `units` rather than `units_returned`.
    own = sum(matched) - 0.1 * (len(column) - len(matched)) if matched else 0.0
    synonym = max(
        (
            weight.get(word, 0.0)
            for concept in CONCEPTS.values()
            if concept.role == role and concept.words & set(column)
            for word in concept.words
        ),
        default=0.0,
    )
    return 2 * own + synonym / 2


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
