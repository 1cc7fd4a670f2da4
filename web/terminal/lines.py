"""What is printed of a story: lines and blocks of text, the same for every kind of output."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Look(Enum):
    """How a line looks: the sign that it begins with, the same in ASCII, and a style for outputs that have one."""

    AGENT = ("▸", ">", "bold cyan")
    THOUGHT = ("·", "-", "dim italic")
    GOES_ON = ("…", ".", "dim")
    OK = ("✓", "+", "green")
    FAILED = ("✗", "x", "red")
    DENIED = ("⊘", "x", "yellow")
    STOPPED = ("■", "#", "yellow")
    UNCLEAR = ("!", "!", "yellow")
    WAITS = ("?", "?", "bold yellow")
    DECIDED = ("·", "-", "yellow")
    NOTICE = ("↻", "~", "yellow")
    UNKNOWN = ("·", "-", "dim")

    def __init__(self, sign: str, ascii_sign: str, style: str) -> None:
        self.sign = sign
        self.ascii_sign = ascii_sign
        self.style = style


class Line(NamedTuple):
    """One step. Texts are as they came: whoever prints them makes them harmless."""

    look: Look
    #: Of what; an agent's or a tool's name, or a few words.
    head: str
    #: What is known of it, most telling first.
    facts: tuple[str, ...] = ()
    #: What it was given; may be left out where there is no room.
    aside: str = ""
    #: What went wrong.
    note: str = ""
    #: Tells only that something goes on; of no use where it can be seen going on.
    is_passing: bool = False
    #: Begins or ends its agent, instead of being a step of it.
    is_frame: bool = False


class Text(NamedTuple):
    """Markdown that an agent has written on its way."""

    markdown: str


class Answer(NamedTuple):
    """What the run came to, as Markdown."""

    markdown: str


class Footer(NamedTuple):
    """Said below everything: the model and what was used, and the names under which it can be found again."""

    facts: tuple[str, ...]


Item = Line | Text | Answer | Footer


class Place(NamedTuple):
    """Whose item it is."""

    call_id: str
    agent_name: str
    #: How far it is indented.
    depth: int
    #: The call that the next item is about, if it does not say otherwise.
    then: str


class Printed(NamedTuple):
    place: Place
    item: Item


class Speaker:
    """Knows whom the reader takes the next item for, and when that would be wrong: agents may work side by side."""

    def __init__(self) -> None:
        self._expected: str | None = None

    def name_for(self, printed: Printed) -> str:
        """Give the agent's name if this item must say it, else nothing."""
        place = printed.place
        names_itself = isinstance(printed.item, Line) and printed.item.is_frame
        is_surprise = self._expected is not None and place.call_id != self._expected and not names_itself
        self._expected = place.then
        return place.agent_name if is_surprise else ""
