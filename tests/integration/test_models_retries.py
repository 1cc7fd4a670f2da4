"""When a model is asked again, how long is waited, what is said of it, and that a stop needs no waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.model_asker import Asker, Heard, asking
from tests.support.model_provider import ModelProvider, Silence, refusal, reply, text, wait
from tests.support.waiting import scaled, wait_until_async
from worker.agent.errors import ModelError
from worker.contract.errors import FailureCode

PROTOCOLS = ["openai", "anthropic"]
#: A stop must feel immediate.
STOP_SECONDS = 0.1


@pytest.fixture
def provider() -> Iterator[ModelProvider]:
    with ModelProvider() as running:
        yield running


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_busy_model_is_asked_again_after_the_time_it_names(provider: ModelProvider, protocol: str) -> None:
    provider.fail(429, retry_after=2)
    provider.fail(429, times=2)
    provider.reply("hi")
    async with asking(provider, protocol) as asker:
        assert (await asker.ask()).answer == "hi"
    assert asker.waits == [2.0, 1.0, 2.0]
    assert asker.notes == [
        "The model is busy (429). Trying again in 2 s (attempt 2 of 5).",
        "The model is busy (429). Trying again in 1 s (attempt 3 of 5).",
        "The model is busy (429). Trying again in 2 s (attempt 4 of 5).",
    ]


async def test_no_provider_can_make_a_person_wait_longer_than_half_a_minute(provider: ModelProvider) -> None:
    provider.fail(429, retry_after=3600)
    provider.reply("hi")
    async with asking(provider) as asker:
        await asker.ask()
    assert asker.waits == [30.0]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 529])
async def test_passing_trouble_is_tried_again_until_the_tries_are_used_up(
    provider: ModelProvider, protocol: str, status: int
) -> None:
    provider.fail(status, times=10)
    async with asking(provider, protocol) as asker:
        with pytest.raises(ModelError) as caught:
            await asker.ask()
    assert caught.value.code == FailureCode.MODEL_OVERLOADED
    assert caught.value.retryable
    assert f"({status})" in str(caught.value)
    assert "tried 5 times" in str(caught.value)
    assert len(provider.requests) == 5
    assert asker.waits == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_connection_that_is_dropped_before_the_answer_is_made_anew(
    provider: ModelProvider, protocol: str, how: str
) -> None:
    provider.misbehave(Silence("close" if how == "close" else "reset"), times=2)
    provider.reply("hi")
    async with asking(provider, protocol) as asker:
        assert (await asker.ask()).answer == "hi"
    assert asker.notes[0].startswith("The model cannot be reached (the connection was ")
    assert len(asker.waits) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_overload_reported_inside_the_stream_before_any_word_is_tried_again(
    provider: ModelProvider, protocol: str
) -> None:
    provider.misbehave(reply(error=refusal(529, "Overloaded", code="overloaded_error", kind="overloaded_error")))
    provider.reply("hi")
    async with asking(provider, protocol) as asker:
        assert (await asker.ask()).answer == "hi"
    assert asker.notes[0].startswith("The model is busy")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("status", "kind"), [(400, "invalid_request_error"), (401, "authentication_error"), (404, "not_found_error")]
)
async def test_what_will_not_get_better_is_not_tried_again(
    provider: ModelProvider, protocol: str, status: int, kind: str
) -> None:
    provider.fail(status, kind=kind)
    async with asking(provider, protocol) as asker:
        with pytest.raises(ModelError) as caught:
            await asker.ask()
    assert not caught.value.retryable
    assert len(provider.requests) == 1
    assert asker.notes == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_answer_that_breaks_off_is_not_asked_for_twice(provider: ModelProvider, protocol: str) -> None:
    provider.reply("Hello", ending="reset")
    heard = Heard()
    async with asking(provider, protocol) as asker:
        with pytest.raises(ModelError) as caught:
            await asker.ask(heard=heard)
    assert heard.joined("text") == "Hello"
    assert caught.value.code == FailureCode.MODEL_INTERRUPTED
    assert len(provider.requests) == 1


async def test_retries_can_be_turned_off(provider: ModelProvider) -> None:
    provider.fail(429)
    async with asking(provider, MODEL_MAX_RETRIES="0") as asker:
        with pytest.raises(ModelError, match="too busy"):
            await asker.ask()
    assert len(provider.requests) == 1
    assert asker.notes == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_stop_in_the_middle_of_an_answer_takes_effect_at_once_and_at_the_provider(
    provider: ModelProvider, protocol: str
) -> None:
    provider.reply(text("Hel"), wait(60), text("lo"))
    heard = Heard()
    async with asking(provider, protocol) as asker:
        took = await _stop_once(asker, heard, lambda: heard.joined("text") == "Hel")
        request = provider.requests[0]
        # The provider does not go on writing, and counting, for nobody.
        assert await asyncio.to_thread(request.ended.wait, scaled(5))
    assert took < scaled(STOP_SECONDS)
    assert request.abandoned


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_stop_before_the_first_word_takes_effect_at_once(provider: ModelProvider, protocol: str) -> None:
    provider.misbehave(Silence("hang"))
    async with asking(provider, protocol) as asker:
        took = await _stop_once(asker, Heard(), lambda: len(provider.requests) == 1)
        assert await asyncio.to_thread(provider.requests[0].ended.wait, scaled(5))
    assert took < scaled(STOP_SECONDS)


async def test_a_stop_while_waiting_for_the_next_try_takes_effect_at_once(provider: ModelProvider) -> None:
    provider.fail(429, retry_after=30)
    async with asking(provider, "openai", asyncio.sleep) as asker:
        took = await _stop_once(asker, Heard(), lambda: asker.waits == [30.0])
    assert took < scaled(STOP_SECONDS)
    assert len(provider.requests) == 1


async def _stop_once(asker: Asker, heard: Heard, condition: Callable[[], bool]) -> float:
    """Cancel the question when the condition holds; returns the seconds until it was over."""
    answering = asyncio.create_task(asker.ask(heard=heard))

    async def reached() -> bool:
        return condition()

    await wait_until_async(reached)
    began = time.perf_counter()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    return time.perf_counter() - began
