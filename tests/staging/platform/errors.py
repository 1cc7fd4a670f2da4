"""What can be wrong with the platform, in words that name the part."""

from __future__ import annotations


class PartMissing(Exception):
    """A part of the platform is not there, or does not do its work; the session fails.

    Args:
        part: `web.1`, `worker.2`, `redis`, `router`, `release`, or a package.
        words: what was seen of it.
    """

    def __init__(self, part: str, words: str) -> None:
        super().__init__(f"{part} is missing: {words}")
        self.part = part
