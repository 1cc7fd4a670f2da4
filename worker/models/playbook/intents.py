"""What a message wants, by patterns tried in order. No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

URL = re.compile(r"https?://[^\s<>\"')\]]+", re.IGNORECASE)

_SIGN = r"[\d\s.,+\-*/()^%×÷]"  # noqa: RUF001 - signs that people type
_FUNCTION = r"(?:sqrt|round|abs|log10|log2|log|ln|exp|min|max|mean|median|sum|stdev|factorial|percent_change)"
_EXPRESSION = rf"(?=\D*\d)(?:{_FUNCTION}(?=\s*\()|{_SIGN})+(?:of\s+{_SIGN}+)?"
_MADE_UP = r"(?:sample|synthetic|test|fake|dummy|example|demo|made[- ]up|random|mock)"
_MAKE = r"(?:generate|create|make|invent|give me|build|produce)"
_DOCUMENT = r"(?:documents?|docs?|corpus|notes?|library|texts?)"

#: The first that is found in the message is the intent. `question` is what is left.
INTENTS = tuple(
    (name, re.compile(pattern, re.IGNORECASE | re.DOTALL))
    for name, pattern in (
        ("page", URL.pattern),
        (
            "calculation",
            rf"^\W*?(?:calculate|compute|evaluate|work out|what(?:'s| is)|how much is)?\s*:?\s*"
            rf"(?P<expression>{_EXPRESSION})[=?.!\s]*$",
        ),
        ("sample", rf"\b{_MADE_UP}\s+(?:\w+\s+){{0,2}}(?:data|table|rows|records|csv)\b"),
        ("sample", rf"^\W*{_MAKE}\b.{{0,60}}\b(?:data|rows|records|csv)\b"),
        ("document", rf"\b(?:search|find|look)\b.{{0,40}}\b{_DOCUMENT}\b"),
        ("document", rf"\b(?:list|show|which|what)\b.{{0,20}}\b{_DOCUMENT}\b"),
        ("document", rf"\b(?:remove|delete|forget|add|save|remember|store)\b.{{0,30}}\b{_DOCUMENT}\b"),
        ("greeting", r"^\W*(?:hi|hello|hey|good (?:morning|afternoon|evening)|thanks?|thank you)\b[^?]{0,40}$"),
        (
            "greeting",
            r"^\W*(?:help|what can you do|who are you|what are you|how do(?:es)? (?:you|this) work)\b.{0,30}$",
        ),
    )
)

_ADVICE = re.compile(
    r"what (?:should|can|could|must|shall) (?:we|i|one) do|what to do|what now|should (?:we|i)\b"
    r"|how (?:can|could|do|should) (?:we|i)\b|recommend|advice|advise|suggest|improve|optimi[sz]e|next steps?"
    r"|\bactions?\b|\bplan\b|\bfix\b",
    re.IGNORECASE,
)
#: How a message begins that adds to the one before it.
_LEAD = re.compile(r"^\W*(?:(?:and|but|only|also|now|just|same|or|what about|how about)\b\s*)+", re.IGNORECASE)
_BY = re.compile(r"^\W*by\b", re.IGNORECASE)
#: Stands between a question and the message that adds to it.
_ADDED = "\nFollow-up: "
_PERCENT_OF = re.compile(r"([\d.]+)\s*%\s*of\b", re.IGNORECASE)


class Intent(NamedTuple):
    name: str
    #: What to compute; empty for other intents.
    expression: str = ""


def find_intent(message: str) -> Intent:
    """Say what a message wants."""
    for name, pattern in INTENTS:
        if found := pattern.search(message):
            return Intent(name, _expression(found.groupdict().get("expression") or ""))
    return Intent("question")


def wants_advice(message: str) -> bool:
    """Whether somebody wants to know what to do, beyond what is."""
    return _ADVICE.search(message) is not None


def without_advice(message: str) -> str:
    """A message without its wish to know what to do."""
    return _ADVICE.sub(" ", message)


def without_lead(message: str) -> str:
    """A message without the words that tie it to the one before."""
    return _LEAD.sub("", message)


def is_follow_up(message: str) -> bool:
    """Whether a message cannot be understood without the one before it: `and by units?`."""
    return bool(_LEAD.search(message) or _BY.search(message))


def join_messages(messages: Sequence[str]) -> str:
    """Write a question and the messages that add to it as one text."""
    return _ADDED.join(message.strip() for message in messages)


def split_messages(question: str) -> list[str]:
    """Read what `join_messages` wrote."""
    return question.split(_ADDED)


def _expression(text: str) -> str:
    plain = _PERCENT_OF.sub(r"\1/100*", text.strip().rstrip("=?.! "))
    # In a function call a comma stands between arguments.
    return plain if re.search(r"[a-z]", plain) else re.sub(r"(?<=\d),(?=\d{3}\b)", "", plain)
