"""Models through the real libraries and real sockets, in both protocols: what arrives, in which order, and when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tests.support.model_asker import Heard, asking
from tests.support.model_provider import KEY, ModelProvider, ModelRequest, Reply, call, reply, text, thinking, wait
from tests.support.waiting import wait_until_async

PROTOCOLS = ["openai", "anthropic"]


@pytest.fixture
def provider() -> Iterator[ModelProvider]:
    with ModelProvider() as running:
        yield running


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_first_words_are_heard_while_the_model_still_writes(provider: ModelProvider, protocol: str) -> None:
    go_on = threading.Event()
    provider.reply(text("Hel"), wait(go_on), text("lo"))
    heard = Heard()
    async with asking(provider, protocol) as asker:
        answering = asyncio.create_task(asker.ask(heard=heard))

        async def first_words() -> bool:
            return heard.pieces("text") == ["Hel"]

        await wait_until_async(first_words)
        go_on.set()
        await answering
    assert heard.joined("text") == "Hello"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_every_piece_of_an_answer_is_heard_in_order(provider: ModelProvider, protocol: str) -> None:
    words = [f"word{number} " for number in range(200)]
    provider.reply(thinking("Let me ", "see."), text(*words))
    async with asking(provider, protocol) as asker:
        heard = await asker.ask()
    assert heard.pieces("thought") == ["Let me ", "see."]
    assert heard.pieces("text") == words
    assert [what for what, piece in heard.steps if piece][:3] == ["thought", "thought", "text"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_parallel_tool_calls_are_all_run_and_their_results_sent_back(
    provider: ModelProvider, protocol: str
) -> None:
    counted: list[str] = []

    def count(document: str) -> int:
        """Count."""
        counted.append(document)
        return len(document)

    provider.reply(text("I will count."), call("count", document="ab"), call("count", document="abcde"))
    provider.reply("2 and 5")
    async with asking(provider, protocol) as asker:
        heard = await asker.ask(tools=(count,))
    assert sorted(counted) == ["ab", "abcde"]
    assert heard.pieces("call") == ["count", "count"]
    assert heard.answer == "2 and 5"
    assert provider.requests[0].tools == ["count"]
    second = str(provider.requests[1].body["messages"])
    assert all(part in second for part in ("call_", "'2'", "'5'"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_tokens_of_all_requests_are_counted(provider: ModelProvider, protocol: str) -> None:
    def now() -> str:
        """Tell the time."""
        return "noon"

    provider.when("triage", then=[reply(call("now"), input_tokens=10, output_tokens=3)])
    provider.when("triage", then=[reply("noon", input_tokens=20, output_tokens=4)])
    async with asking(provider, protocol) as asker:
        heard = await asker.ask(tools=(now,))
    assert (heard.usage.requests, heard.usage.input_tokens, heard.usage.output_tokens) == (2, 30, 7)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_request_carries_key_model_instructions_and_temperature(provider: ModelProvider, protocol: str) -> None:
    provider.reply("hi")
    async with asking(provider, protocol, MODEL_TEMPERATURE="0.3") as asker:
        await asker.ask("good morning")
        assert KEY not in repr(asker.source.__dict__)
    request = provider.requests[0]
    assert request.key == KEY
    assert request.agent == "triage"
    assert (request.body["model"], request.body["temperature"]) == ("test-model", 0.3)
    assert "good morning" in str(request.body["messages"])
    # Ours are the only retries.
    assert request.headers["x-stainless-retry-count"] == "0"


async def test_an_endpoint_that_wants_no_key_is_asked_without_one(provider: ModelProvider) -> None:
    provider.reply("hi")
    async with asking(provider, OPENAI_API_KEY="", MODEL="qwen3:8b") as asker:
        assert asker.source.label == "qwen3:8b"
        assert (await asker.ask()).answer == "hi"
    assert provider.requests[0].body["model"] == "qwen3:8b"


async def test_claude_models_that_can_are_asked_to_show_their_thoughts(provider: ModelProvider) -> None:
    provider.reply(thinking("Hm."), "hi")
    async with asking(provider, "anthropic", MODEL="claude-sonnet-5") as asker:
        heard = await asker.ask()
    assert provider.requests[0].body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert heard.joined("thought") == "Hm."


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_64_answers_at_once_share_one_client(provider: ModelProvider, protocol: str) -> None:
    all_here = threading.Event()

    def answer(request: ModelRequest) -> Reply:
        if provider.most_at_once >= 64:
            all_here.set()
        return reply(text("one "), wait(all_here), text("two"))

    provider.decide(answer)
    async with asking(provider, protocol) as asker:
        for _ in range(2):
            heard = await asyncio.gather(*(asker.ask(f"question {number}") for number in range(64)))
            assert {each.answer for each in heard} == {"one two"}
    assert provider.most_at_once == 64
    # The second round found every connection of the first one open.
    assert provider.connections == 64
