"""LLM agents on real model protocols, run by the engine: thoughts, waits, tool calls and the outcome are all seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import cast

import pytest

from tests.support.model_asker import asking
from tests.support.model_provider import KEY, ModelProvider, call, refusal, reply, text, thinking, wait
from tests.support.story import assert_whole_story, types
from tests.support.waiting import wait_until_async
from worker.agent.definition import llm_agent
from worker.agent.invocation import AgentParts
from worker.agent.ports import Workspace
from worker.agent.redaction import Redactor
from worker.agent.registry import AgentRegistry
from worker.agent.tool import tool
from worker.contract.closing import stopped
from worker.contract.codec import encode
from worker.contract.errors import FailureCode
from worker.contract.events import AgentCompleted, AgentFailed, AgentThinking, Event, PartialResult
from worker.engine import EngineLimits, ExecutionEngine
from worker.memory_log import MemoryLog

PROTOCOLS = ["openai", "anthropic"]
RUN = "run_1"


@tool(idempotent=True)
def word_count(document: str) -> int:
    """Count the words of a document."""
    return len(document.split())


TRIAGE = llm_agent("triage", description="Asks.", instructions="Ask the counter.", delegates=["counter"])
COUNTER = llm_agent("counter", description="Counts.", instructions="Count.", tools=[word_count])


class Bench:
    def __init__(self, engine: ExecutionEngine, log: MemoryLog) -> None:
        self.engine = engine
        self.log = log

    @property
    def story(self) -> list[Event]:
        return self.log.stories[RUN]

    async def run(self, agent: str = "triage") -> list[Event]:
        self.log.create(RUN, agent=agent, message="How many words?")
        await self.engine.execute(RUN)
        return self.story


@asynccontextmanager
async def bench(provider: ModelProvider, protocol: str, **variables: str) -> AsyncIterator[Bench]:
    async with asking(provider, protocol, **variables) as asker:
        log = MemoryLog()
        with ThreadPoolExecutor(2) as executor:
            registry = AgentRegistry([TRIAGE, COUNTER])
            parts = AgentParts(registry, asker.source, executor, lambda _: cast("Workspace", None))
            redactor = Redactor(asker.source.secrets())
            limits = EngineLimits(run_timeout=30, approval=30)
            yield Bench(ExecutionEngine(parts, log, limits=limits, redactor=redactor), log)


@pytest.fixture
def provider() -> Iterator[ModelProvider]:
    with ModelProvider() as running:
        yield running


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_everything_a_crew_does_is_in_the_story(provider: ModelProvider, protocol: str) -> None:
    provider.when("triage", then=[reply(thinking("Who counts?"), call("delegate", agent="counter", task="count a b"))])
    provider.when("triage", then=[reply(text("There are ", "two."))])
    provider.when("counter", then=[reply(call("word_count", document="a b"), call("word_count", document="c"))])
    provider.when("counter", then=["2 and 1"])
    async with bench(provider, protocol) as made:
        story = await made.run()

    assert_whole_story(story)
    assert types(story).count("agent_started") == 2
    assert types(story).count("tool_completed") == 2
    assert [event.data.text for event in story if isinstance(event, AgentThinking)] == ["Who counts?"]
    done = story[-1]
    assert isinstance(done, AgentCompleted)
    assert done.data.result == "There are two."
    assert (done.data.usage.model_requests, done.data.usage.tool_calls) == (4, 2)
    assert done.data.usage.input_tokens == 44


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_wait_for_a_busy_model_is_seen_before_the_answer(provider: ModelProvider, protocol: str) -> None:
    provider.fail(429, retry_after=2)
    provider.reply("Two.")
    async with bench(provider, protocol) as made:
        story = await made.run()

    assert types(story) == ["agent_started", "agent_thinking", "partial_result", "agent_completed"]
    note = cast("AgentThinking", story[1])
    assert note.data.text == "The model is busy (429). Trying again in 2 s (attempt 2 of 5)."


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_model_that_refuses_the_key_ends_the_run_in_plain_words(provider: ModelProvider, protocol: str) -> None:
    provider.decide(lambda _: refusal(401, f"bad key {KEY}", kind="authentication_error"))
    async with bench(provider, protocol) as made:
        story = await made.run()

    assert_whole_story(story)
    failed = cast("AgentFailed", story[-1])
    assert failed.data.error.code == FailureCode.MODEL_AUTH
    assert failed.data.error.message.startswith("The model provider refused the key.")
    assert KEY.encode() not in b"".join(encode(event) for event in story)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_words_that_were_heard_stay_when_the_answer_breaks_off(provider: ModelProvider, protocol: str) -> None:
    provider.reply(text("There are "), ending="reset")
    async with bench(provider, protocol) as made:
        story = await made.run()

    assert_whole_story(story)
    assert [event.data.text for event in story if isinstance(event, PartialResult)] == ["There are "]
    failed = cast("AgentFailed", story[-1])
    assert (failed.data.error.code, failed.data.error.retryable) == (FailureCode.MODEL_INTERRUPTED, True)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_person_who_stops_a_run_keeps_the_words_and_stops_the_provider(
    provider: ModelProvider, protocol: str
) -> None:
    provider.reply(text("There are "), wait(60), text("two."))
    async with bench(provider, protocol) as made:
        work = asyncio.create_task(made.run())

        async def begun() -> bool:
            return "partial_result" in types(made.log.stories.get(RUN, []))

        await wait_until_async(begun)
        made.engine.running[RUN].end(stopped("user"))
        story = await work
        assert await asyncio.to_thread(provider.requests[0].ended.wait, 5)

    assert_whole_story(story)
    assert types(story) == ["agent_started", "partial_result", "agent_cancelled"]
    assert provider.requests[0].abandoned
