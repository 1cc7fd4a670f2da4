from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.support.waiting import scaled
from web.request_deadline import Deadline, Watcher


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(scaled(5))
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def watcher() -> Watcher:
    watcher = Watcher()
    watcher.start()
    return watcher


def test_who_waits_for_a_late_request_sees_the_end_and_may_still_answer(
    pair: tuple[socket.socket, socket.socket], watcher: Watcher
) -> None:
    ours, theirs = pair
    deadline = Deadline(ours, watcher)
    deadline.set(0.05)

    assert ours.recv(10) == b""

    ours.sendall(b"too late")
    assert theirs.recv(10) == b"too late"
    deadline.lift()


def test_a_lifted_deadline_never_cuts(pair: tuple[socket.socket, socket.socket], watcher: Watcher) -> None:
    ours, theirs = pair
    lifted, other = Deadline(ours, watcher), Deadline(theirs, watcher)
    lifted.set(0.05)
    lifted.lift()
    other.set(0.1)

    # The later one is cut, so the earlier one would have been.
    assert theirs.recv(10) == b""
    theirs.sendall(b"still open")
    assert ours.recv(10) == b"still open"
    other.lift()


def test_a_descriptor_that_is_used_again_is_not_cut(watcher: Watcher) -> None:
    with contextlib.ExitStack() as stack:
        old, _old_end = map(stack.enter_context, socket.socketpair())
        deadline = Deadline(old, watcher)
        number = old.fileno()
        old.close()
        new, new_end = map(stack.enter_context, socket.socketpair())
        assert number in (new.fileno(), new_end.fileno())
        witness, _end = map(stack.enter_context, socket.socketpair())
        second = Deadline(witness, watcher)
        deadline.set(0.05)
        second.set(0.05)

        assert witness.recv(10) == b""
        for one, another in ((new, new_end), (new_end, new)):
            one.sendall(b"hello")
            assert another.recv(10) == b"hello"
        deadline.lift()
        second.lift()
