"""What a question says, word by word: each is used, known to change nothing, or reported as not understood.

Without that report a question with `not` or `correlation` in it would get the number of another question. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from worker.crew.wording import CHANGE_WORDS, CONCEPTS, Role, match_column, words
from worker.models.playbook.columns import Column
from worker.models.playbook.intents import without_advice, without_lead
from worker.models.playbook.spans import Spans, take_spans

_NUMBER_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: place for place, word in enumerate(_NUMBER_WORDS, start=1)}
_COUNT = rf"(?:\d{{1,3}}|{'|'.join(_NUMBERS)})"
_MOST = r"(?:top|highest|largest|biggest|best|most|greatest)"
_LEAST = r"(?:bottom|lowest|smallest|fewest|worst|least)"
_GRAIN = r"(?P<grain>month|quarter|year|day|date)s?"

_LIMIT = re.compile(
    rf"\b(?:(?P<word>{_MOST}|{_LEAST}) (?P<after>{_COUNT})|(?P<before>{_COUNT}) (?={_MOST}|{_LEAST}))\b", re.IGNORECASE
)
_OVER_TIME = re.compile(rf"\bover (?:the )?(?:time|(?:last )?{_GRAIN})\b|\btrends?\b", re.IGNORECASE)
_BY_TIME = re.compile(
    rf"\b(?:by|per|each|every|(?P<which>which|what)) {_GRAIN}\b"
    rf"|\b(?P<adverb>month|quarter|year|dai)ly\b|\b(?P<when>when|{_GRAIN.replace('grain', 'noun')})\b",
    re.IGNORECASE,
)
_HOW_MANY = re.compile(
    r"\b(?:how many|(?:the )?(?:number|count) of)(?P<unlike> (?:different|distinct|unique))? (?P<noun>\w+)\b",
    re.IGNORECASE,
)
_ROW_WORDS = frozenset({"row", "record", "line", "entry"})

#: Words that say what to compute, and what; the first that is found counts.
_AGGREGATES = (
    ("average", re.compile(r"\b(?:average|mean|avg)\b", re.IGNORECASE)),
    ("max", re.compile(r"\b(?:maximum|max)\b", re.IGNORECASE)),
    ("min", re.compile(r"\b(?:minimum|min)\b", re.IGNORECASE)),
    ("sum", re.compile(r"\b(?:total|sum|overall|altogether)\b", re.IGNORECASE)),
)
_ENDS = {
    "most": re.compile(rf"\b(?:{_MOST})\b", re.IGNORECASE),
    "least": re.compile(rf"\b(?:{_LEAST})\b", re.IGNORECASE),
}
_COMPARED = re.compile(r"\b(?:compared?|comparison|versus|vs)\b\.?(?: (?:to|with))?", re.IGNORECASE)
_CHARTED = re.compile(
    r"\b(?:as|in|with|on)? ?(?:an? )?(?:bar |line )?(?:charts?|graphs?|plot|diagram)\b", re.IGNORECASE
)
_TOKEN = re.compile(r"[^\W_]*[A-Za-z0-9][^\W_]*")
#: Conditions in signs, and letters that `words` does not know.
_FOREIGN = re.compile(r"!=|[<>=≠%]|[^\W\d_a-zA-Z]+")
_WHICH = re.compile(r"\b(?:which|who|where)\b", re.IGNORECASE)

#: Words that may be left over without the answer being another one.
_PLAIN = frozenset(
    words(
        "a an the of in on at for by per with from to and or i we us our my me you your it its they their "
        "what which who where how much is are was were be been do does did has have had can could would please show "
        "tell give get see find let compute calculate display draw want need know s d ll total sum overall altogether "
        "entire whole all each every any data table file csv dataset number value figure result sell sold make made "
        "earn earned generate generated bring brought come came perform performed that across among out so far only "
        "both together combined up hello hi hey thanks business company breakdown split grouped rank ranked ranking "
        "analyse analyze develop go went about as"
    )
)
#: Words that the answer has to say it does not go into.
_BESIDE = frozenset({"why", "reason", "cause", "pie"})


class Reading(NamedTuple):
    """What was found in a question; empty for what it does not say."""

    measure: str = ""
    dimension: str = ""
    #: sum, average, count (of rows), distinct (values of the measure), max, min.
    aggregate: str = ""
    change: bool = False
    #: "most" or "least".
    end: str = ""
    limit: int = 0
    #: month, quarter, year, day, or "own": as fine as the column is.
    grain: str = ""
    spans: Spans = Spans()
    #: Column to the values of it that are asked for.
    only: Mapping[str, tuple[str, ...]] = {}
    which: bool = False
    compared: bool = False
    charted: bool = False
    #: Whether the grain is what is asked for, rather than an axis: `which month`, not `by month`.
    which_period: bool = False
    #: Whether the time is only the course of a change: `over time`.
    over_time: bool = False
    beside: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def read_question(
    question: str, columns: Sequence[Column], values: Mapping[str, Sequence[str]], table: str = ""
) -> Reading:
    """Read one message.

    Args:
        values: column to the values of it that a question can name.
        table: its name may be in the question.
    """
    text = _Rest(without_advice(without_lead(question)))
    if table:
        text.take(re.compile(rf"\b(?:(?:in|from|of) )?(?:the )?(?:table|file) {re.escape(table)}\b", re.IGNORECASE))
        text.take(re.compile(rf"\b{re.escape(table)}(?:\.csv| table| file)+\b", re.IGNORECASE))
    only = _take_values(text, columns, values)
    spans, text.left = take_spans(text.left)
    found: dict[str, object] = {**_limit(text), **_time(text)}
    compared, charted = text.take(_COMPARED) is not None, text.take(_CHARTED) is not None
    aggregate, measure = _counting(text, columns)
    aggregate = aggregate or next((name for name, pattern in _AGGREGATES if text.take(pattern)), "")
    end = str(found.pop("end", "")) or next((name for name, pattern in _ENDS.items() if pattern.search(text.left)), "")
    which = _WHICH.search(text.left) is not None
    if end:
        text.take(_ENDS[end])
    change = text.drop(CHANGE_WORDS) or "trend" in words(question)
    if aggregate not in ("count", "distinct"):
        measure = measure or text.take_column([column.name for column in columns if column.is_measure], "measure")
    # `units` means the column of that name, not the department that it could be a word for.
    numbers = frozenset(word for column in columns if column.is_measure for word in words(column.name))
    dimension = text.take_column([column.name for column in columns if column.is_dimension], "dimension", numbers)
    left = [word for word in dict.fromkeys(words(text.left)) if word not in _PLAIN | set(words(table))]
    left += _FOREIGN.findall(text.left)
    return Reading(
        measure=measure,
        dimension=dimension,
        aggregate=aggregate,
        change=change,
        end=end,
        spans=spans,
        only=only,
        which=which,
        compared=compared,
        charted=charted,
        beside=tuple(word for word in left if word in _BESIDE),
        unknown=tuple(word for word in left if word not in _BESIDE),
        **found,  # type: ignore[arg-type] # only limit, grain, which_period and over_time
    )


def follow_up(earlier: Reading, later: Reading) -> Reading:
    """Put what a message says in the place of what the one before it said."""
    merged = earlier._replace(**{name: value for name, value in later._asdict().items() if value})
    only = {name: names for name, names in earlier.only.items() if name != later.dimension} | dict(later.only)
    merged = merged._replace(
        only=only, unknown=earlier.unknown + later.unknown, spans=later.spans if later.spans.periods else earlier.spans
    )
    if later.measure and not later.aggregate and earlier.aggregate in ("count", "distinct"):
        merged = merged._replace(aggregate="")
    if later.aggregate == "count":
        merged = merged._replace(measure="")
    if later.grain and not later.dimension:
        return merged._replace(dimension="")
    return merged._replace(grain="", which_period=False, over_time=False) if later.dimension else merged


class _Rest:
    """What has not been used of a question yet."""

    def __init__(self, text: str) -> None:
        self.left = text

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.search(self.left)
        if found:
            self.left = pattern.sub(" ", self.left)
        return found

    def drop(self, dropped: frozenset[str]) -> bool:
        """Take out words, whatever their number; say whether there were any."""
        before = self.left
        self.left = _TOKEN.sub(lambda found: " " if set(words(found[0])) <= dropped else found[0], before)
        return self.left != before

    def take_column(self, names: Sequence[str], role: Role, reserved: frozenset[str] = frozenset()) -> str:
        """Find the column that is meant, and take out all words for it but the reserved ones; empty for none."""
        reserved = reserved - {word for name in names for word in words(name)}
        name = match_column(" ".join(word for word in words(self.left) if word not in reserved), names, role)
        if name is None:
            return ""
        own = frozenset(words(name))
        same = [concept.words for concept in CONCEPTS.values() if concept.role == role and concept.words & own]
        self.drop(own.union(*same) - reserved)
        return name


def _take_values(
    text: _Rest, columns: Sequence[Column], values: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """Values of columns that the question names, such as North."""
    names = {word for column in columns for word in words(column.name)}
    common = names.union(*(concept.words for concept in CONCEPTS.values())) | _PLAIN
    found: dict[str, tuple[str, ...]] = {}
    pairs = [(value, column) for column, known in values.items() for value in known if value.strip()]
    for value, column in sorted(pairs, key=lambda pair: -len(pair[0])):
        # A value that is an everyday word too, such as Sales or IT, has to be written as in the table.
        exact = len(value) < 3 or set(words(value)) <= common
        pattern = re.compile(rf"(?<!^)(?<!\w){re.escape(value)}(?!\w)")
        if not exact:
            pattern = re.compile(rf"(?<!\w){re.escape(value)}(?:e?s)?(?!\w)", re.IGNORECASE)
        if text.take(pattern):
            found[column] = (*found.get(column, ()), value)
    return found


def _limit(text: _Rest) -> dict[str, object]:
    found = text.take(_LIMIT)
    if found is None:
        return {}
    count = (found["after"] or found["before"]).lower()
    end = {} if not found["word"] else {"end": "least" if re.fullmatch(_LEAST, found["word"].lower()) else "most"}
    return {"limit": _NUMBERS.get(count) or int(count), **end}


def _time(text: _Rest) -> dict[str, object]:
    over = text.take(_OVER_TIME)
    found = text.take(_BY_TIME)
    if found is None:
        return {"grain": (over["grain"] or "month").lower(), "over_time": True} if over else {}
    parts = found.groupdict()
    grain = (parts["grain"] or parts["adverb"] or parts["noun"] or "own").lower().replace("dai", "day")
    return {
        "grain": "own" if grain == "date" else grain,
        "which_period": bool(parts["which"] or parts["when"]),
    }


def _counting(text: _Rest, columns: Sequence[Column]) -> tuple[str, str]:
    """Of `how many …`: what to count, as an aggregate and its column."""
    if found := _HOW_MANY.search(text.left):
        noun = set(words(found["noun"]))
        measure = match_column(found["noun"], [column.name for column in columns if column.is_measure], "measure")
        countable = measure and (noun & CONCEPTS["quantity"].words or noun & set(words(measure)))
        dimension = match_column(found["noun"], [one.name for one in columns if one.is_dimension], "dimension")
        row_like = bool(noun & _ROW_WORDS) or any(noun & set(words(one.name)) for one in columns if "_" in one.name)
        for fits, aggregate, column in (
            (countable and not found["unlike"], "sum", measure or ""),
            (dimension, "distinct", dimension or ""),
            (row_like and not found["unlike"], "count", ""),
        ):
            if fits:
                text.left = re.sub(r"\bthere\b", " ", text.left.replace(found.group(), " ", 1))
                return aggregate, column
        return "", ""
    # A column that holds counts is added up like any other.
    has_counts = any("count" in words(column.name) for column in columns)
    return ("count", "") if text.drop(_ROW_WORDS if has_counts else _ROW_WORDS | {"count"}) else ("", "")
