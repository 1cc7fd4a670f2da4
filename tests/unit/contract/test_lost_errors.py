from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable

import pytest
import uvloop

from worker.contract.lost_errors import log_loop_error


def fail(text: str) -> None:
    raise RuntimeError(text)


@pytest.mark.parametrize("make_loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_a_callback_that_fails_is_logged_without_what_it_was_given(
    make_loop: Callable[[], asyncio.AbstractEventLoop], caplog: pytest.LogCaptureFixture
) -> None:
    loop = make_loop()
    loop.set_exception_handler(log_loop_error)
    loop.call_soon(functools.partial(fail, "a user's words"))
    loop.call_soon(fail, "a user's words")
    loop.call_soon(loop.stop)
    with caplog.at_level(logging.ERROR):
        loop.run_forever()
    loop.close()

    assert [record.getMessage() for record in caplog.records] == ["Exception in callback"] * 2
