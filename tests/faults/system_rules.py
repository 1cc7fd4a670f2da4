"""What the processes do: they end only when told to, and hold no more afterwards than before."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults import history as h
from tests.faults.facts import Facts, Violation

#: How much more a process may hold after a seed than when it was new: pools fill up and stay so. A run takes up to four
#: OS threads of a worker (its Celery task, its tools, work aside), and a seed has at most twelve runs.
SLACK = {"fds": 64, "threads": 64, "clients": 160, "channels": 4}
#: Overloaded or without its store for the moment; restarting.
_COME_AGAIN = {429, 503}


def alive(facts: Facts) -> Iterator[Violation]:
    """No process ends that nobody has ended."""
    for ended in h.of(h.ProcessEnded, facts.entries):
        if not ended.expected:
            yield Violation("alive", ended.name, f"ended with {ended.exit_code}: {ended.last_words}")


def bounds(facts: Facts) -> Iterator[Violation]:
    """Descriptors, OS threads, Redis clients and channels are back where they were."""
    entries = h.of(h.Resources, facts.entries)
    before = {entry.name: entry.held for entry in entries if entry.moment == "before"}
    for entry in entries:
        if entry.moment != "after" or entry.name not in before:
            continue
        for what, count in entry.held.items():
            if count > before[entry.name].get(what, 0) + SLACK[what]:
                words = f"{count} {what}, {before[entry.name].get(what, 0)} before"
                yield Violation("bounds", entry.name, words)


def answers(facts: Facts) -> Iterator[Violation]:
    """Whoever asks is served, or asked to come again; nothing else."""
    for post in facts.posted:
        if post.outcome == "refused" and post.status not in _COME_AGAIN:
            yield Violation("http", post.run, f"POST /api/runs answered {post.status}")


def quiet(facts: Facts) -> Iterator[Violation]:
    """The seed came to its end."""
    if facts.quiet is None:
        yield Violation("quiet", "harness", "the history has no end")
