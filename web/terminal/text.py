"""Text from models, tools and servers, made harmless for a terminal.

A terminal obeys what it prints: it moves the cursor, changes the title, answers on the keyboard. Nothing of that may
come from a model, or from a web page that it has read.
"""

from __future__ import annotations

import re
import unicodedata

#: Whole sequences go, not only the escape character that begins them: what would be left is noise.
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, erasing
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS and other strings
    r"|\x1b[ -/]*[0-~]?"  # the rest that begins with an escape
)
#: Zero-width joiners hold emoji and scripts together and turn nothing round.
_JOINERS = "\u200c\u200d"
_KEPT = "\n\t"
_LINE_ENDS = str.maketrans({"\u2028": "\n", "\u2029": "\n", "\x0b": "\n", "\x0c": "\n", "\x85": "\n"})
#: Control characters, formats such as those that turn the direction of writing, private use, halves of pairs.
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs"})


def clean(text: str) -> str:
    """Take out everything that a terminal would obey or that hides what is there; line breaks and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    text = _SEQUENCES.sub("", text).translate(_LINE_ENDS)
    return "".join(character for character in text if not _is_unseen(character) or character in _JOINERS)


def show_unseen(text: str) -> str:
    """Write invisible characters as escapes, for someone who must know exactly what is there."""
    return "".join(_escape(character) if _is_unseen(character) else character for character in text)


def escape_unseen(json: str) -> str:
    """Write invisible characters of a JSON text as its own escapes; it means the same."""
    return "".join(_json_escape(one) if _is_unseen(one) else one for one in json)


def _is_unseen(character: str) -> bool:
    if character in _KEPT:
        return False
    category = unicodedata.category(character)
    return category in _UNSEEN_CATEGORIES or category in ("Zl", "Zp")


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _json_escape(character: str) -> str:
    """As UTF-16 has it: JSON's escapes have four digits, so what is beyond them takes two."""
    digits = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{digits[at : at + 4]}" for at in range(0, len(digits), 4))
