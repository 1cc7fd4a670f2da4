"""Names in SQL: quoted, and different from each other."""

from __future__ import annotations

from collections.abc import Sequence


def quote(name: str) -> str:
    """Write a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def unique_names(header: Sequence[str]) -> list[str]:
    """Column names that SQL can tell apart: none empty, none equal but for case."""
    taken: set[str] = set()
    names = []
    for number, raw in enumerate(header, start=1):
        wanted = " ".join(raw.replace("\0", " ").split()) or f"column_{number}"
        name = free_name(wanted, taken)
        taken.add(name.lower())
        names.append(name)
    return names


def free_name(wanted: str, taken: set[str]) -> str:
    """Return the name, with a number if it is taken; `taken` holds names in lower case."""
    name, number = wanted, 1
    while name.lower() in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name
