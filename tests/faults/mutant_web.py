"""The web process, broken as the environment says: `gunicorn "tests.faults.mutant_web:create_app()"`."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask

from tests.faults.variables import MUTANT
from web.app import create_app as create_whole_app
from web.relay.feed import Feed, FeedState
from web.relay.ring import Batch, LoggedEvent, Ring
from web.relay.subscription import Subscription
from web.relay.viewer import Viewer

_ONE_IN = 1000


def create_app() -> Flask:
    _MUTATIONS[os.environ[MUTANT]]()
    return create_whole_app()


def _skip_buffer() -> None:
    """What is published while the history is read is thrown away, and a hole is not noticed."""
    take = Feed.on_message

    def on_message(self: Feed, raw: bytes) -> Any:
        return take(self, raw) if self.state is FeedState.LIVE else None

    def take_live(self: Feed, event: LoggedEvent) -> None:
        if event.seq > self.ring.last:
            self._append(event)

    def append(self: Ring, event: LoggedEvent) -> None:
        self._events[event.seq] = event
        self._newest_batch = None
        self.last = event.seq

    def batch(self: Ring, start: int, max_bytes: int) -> Batch:
        return Batch([self._events[seq] for seq in range(start, self.last + 1) if seq in self._events])

    _replace(Feed, on_message=on_message, _take_live=take_live)
    _replace(Ring, append=append, batch=batch)


def _drop() -> None:
    """One event in a thousand does not reach the socket, and nobody is told."""
    send = Viewer.send_batch
    count = 0

    def send_batch(self: Viewer, batch: Batch) -> None:
        nonlocal count
        kept = []
        for event in batch.events:
            count += 1
            if count % _ONE_IN:
                kept.append(event)
        if kept:
            send(self, Batch(kept))

    _replace(Viewer, send_batch=send_batch)


def _ignore_tag() -> None:
    """A place is a number: an event is taken for another one with the same number."""
    begin, compare = Subscription.__init__, Feed.on_top

    def init(self: Subscription, feed: Feed, after: str | int, limits: Any) -> None:
        begin(self, feed, str(after).partition("-")[0], limits)

    def on_top(self: Feed, seq: int, cursor: str = "") -> Any:
        del cursor
        return compare(self, seq)

    _replace(LoggedEvent, cursor=property(lambda self: f"{self.seq}-00000000"))
    _replace(Subscription, __init__=init)
    _replace(Feed, on_top=on_top)


def _replace(owner: type, **members: Any) -> None:
    for name, member in members.items():
        setattr(owner, name, member)


_MUTATIONS = {"skips_buffer": _skip_buffer, "drops": _drop, "ignores_tag": _ignore_tag}
