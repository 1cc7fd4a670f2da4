"""A run that goes on in another attempt: nothing that was done is done again, nothing that was told is told again."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolReturnPart
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from tests.support.story import assert_whole_story, tool_calls, types
from tests.support.waiting import wait_until_async
from worker.agent.context import AgentContext
from worker.agent.definition import AgentDefinition, agent, llm_agent
from worker.agent.errors import DelegateFailed, ToolDenied, ToolError, ToolInterrupted
from worker.agent.invocation import AgentParts
from worker.agent.ports import Workspace
from worker.agent.redaction import Redactor
from worker.agent.registry import AgentRegistry
from worker.agent.tool import ToolContext, tool
from worker.contract.approvals import Verdict
from worker.contract.events import (
    AgentCompleted,
    AgentFailed,
    ApprovalRequested,
    Event,
    PartialResult,
    RunResumed,
    ToolCompleted,
)
from worker.contract.run import RunState
from worker.engine import EngineLimits, ExecutionEngine
from worker.memory_log import MemoryLog
from worker.outcomes import Lost

RUN = "run_1"


class World:
    """What tools have done, and where they hang."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.keys: list[str] = []
        self.hang_at = ""
        self.asked = 0

    async def do(self, name: str) -> str:
        self.done[name] += 1
        if name == self.hang_at:
            await asyncio.sleep(3600)
        return f"did {name}"


class Bench:
    """Engines over one log; each attempt is a new one, as a new worker would be."""

    def __init__(self, *agents: AgentDefinition, models: Any = None) -> None:
        self.log = MemoryLog()
        self.agents = agents
        self.models = models

    def engine(self, *agents: AgentDefinition) -> ExecutionEngine:
        parts = AgentParts(
            AgentRegistry(agents or self.agents), self.models, ThreadPoolExecutor(4), lambda _: cast("Workspace", None)
        )
        return ExecutionEngine(parts, self.log, limits=EngineLimits(run_timeout=20, approval=60), redactor=Redactor())

    def begin(self, message: str = "go") -> None:
        self.log.create(RUN, agent=self.agents[0].name, message=message)

    @property
    def story(self) -> list[Event]:
        return self.log.stories[RUN]

    @property
    def state(self) -> RunState:
        return self.log.records[RUN].state

    async def run_until(self, condition: Callable[[], bool]) -> None:
        """Let an attempt work until so far, then lose its worker."""
        engine = self.engine()
        work = asyncio.ensure_future(engine.execute(RUN))

        async def holds() -> bool:
            return condition()

        await wait_until_async(holds)
        # As a killed worker: it writes nothing more, and the reaper puts the run back.
        self.log.requeue(RUN)
        engine.running[RUN].end(Lost())
        await asyncio.wait_for(work, 5)

    async def go_on(self, *agents: AgentDefinition) -> list[Event]:
        await asyncio.wait_for(self.engine(*agents).execute(RUN), 30)
        return self.story


def said(story: list[Event], call_id: str = "a1") -> str:
    """What a viewer sees of an agent's words, with what was taken back left out."""
    shown: list[tuple[int, str]] = []
    for event in story:
        if isinstance(event, RunResumed) and call_id in event.data.discard:
            shown = [(seq, text) for seq, text in shown if seq <= event.data.discard[call_id]]
        if isinstance(event, PartialResult) and event.agent_call_id == call_id:
            shown.append((event.seq, event.data.text))
    return "".join(text for _, text in shown)


def plain_agent(world: World, names: str = "abcd") -> AgentDefinition:
    @tool
    async def do(name: str) -> str:
        """Do a thing."""
        return await world.do(name)

    @agent(name="doer", description="Does things one after another.", tools=[do])
    async def doer(ctx: AgentContext) -> str:
        await ctx.think("First a plan.")
        for name in names:
            await ctx.say(f"now {name} ")
            try:
                await ctx.tools.call("do", name=name)
            except ToolInterrupted:
                await ctx.say("(who knows) ")
        return "all done"

    return doer


async def test_finished_tools_are_not_run_again_and_nothing_is_told_twice() -> None:
    world = World()
    world.hang_at = "c"
    bench = Bench(plain_agent(world))
    bench.begin()
    await bench.run_until(lambda: world.done["c"] == 1)
    world.hang_at = ""

    story = await bench.go_on()

    assert_whole_story(story)
    assert world.done == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert types(story).count("agent_started") == 1
    assert types(story).count("agent_thinking") == 1
    assert said(story) == "now a now b now c (who knows) now d "
    assert [call.data.status for call in tool_calls(story)] == ["ok", "ok", "interrupted", "ok"]
    assert cast("AgentCompleted", story[-1]).data.result == "all done"


async def test_viewers_are_told_that_another_attempt_goes_on() -> None:
    world = World()
    world.hang_at = "b"
    bench = Bench(plain_agent(world))
    bench.begin()
    await bench.run_until(lambda: world.done["b"] == 1)
    world.hang_at = ""

    story = await bench.go_on()

    [resumed] = [event for event in story if isinstance(event, RunResumed)]
    assert (resumed.attempt, resumed.data.reason) == (2, "The worker was lost.")
    attempts = [event.attempt for event in story]
    assert attempts == sorted(attempts)
    assert resumed.seq == attempts.index(2) + 1


async def test_words_that_no_step_has_followed_are_taken_back_and_said_again() -> None:
    release = asyncio.Event()
    tries: list[int] = []

    @agent(name="speaker", description="Speaks.")
    async def speaker(ctx: AgentContext) -> None:
        tries.append(1)
        await ctx.say("some words ")
        if len(tries) == 1:
            await release.wait()
        await ctx.say("and more")

    bench = Bench(speaker)
    bench.begin()
    await bench.run_until(lambda: said(bench.story) == "some words ")

    story = await bench.go_on()

    assert_whole_story(story)
    assert said(story) == "some words and more"
    assert cast("AgentCompleted", story[-1]).data.result == "some words and more"


async def test_an_idempotent_tool_runs_again_with_the_same_key_and_is_shown_once() -> None:
    world = World()

    @tool(idempotent=True)
    async def pay(ctx: ToolContext, name: str) -> str:
        """Pay."""
        world.keys.append(ctx.idempotency_key)
        return await world.do(name)

    @agent(name="payer", description="Pays.", tools=[pay])
    async def payer(ctx: AgentContext) -> Any:
        return await ctx.tools.call("pay", name="rent")

    world.hang_at = "rent"
    bench = Bench(payer)
    bench.begin()
    await bench.run_until(lambda: world.done["rent"] == 1)
    world.hang_at = ""

    story = await bench.go_on()

    assert_whole_story(story)
    assert world.keys == [f"{RUN}:a1.t1"] * 2
    assert types(story).count("tool_executing") == 1
    assert [call.data.status for call in tool_calls(story)] == ["ok"]


async def test_parallel_tools_that_finished_are_answered_from_the_journal_in_any_order() -> None:
    world = World()

    @tool
    async def do(name: str) -> str:
        """Do a thing."""
        return await world.do(name)

    @agent(name="juggler", description="Does two chains of things at once.", tools=[do])
    async def juggler(ctx: AgentContext) -> list[str]:
        async def chain(letter: str, pause: float) -> str:
            first = await ctx.tools.call("do", name=f"{letter}1")
            await asyncio.sleep(pause)
            await ctx.tools.call("do", name=f"{letter}2")
            await ctx.tools.call("do", name="last" if letter == "b" else f"{letter}3")
            return str(first)

        return list(await asyncio.gather(chain("a", 0.05), chain("b", 0.0)))

    world.hang_at = "last"
    bench = Bench(juggler)
    bench.begin()
    await bench.run_until(lambda: world.done["a3"] == 1 and world.done["last"] == 1)
    world.hang_at = ""

    story = await bench.go_on()

    assert_whole_story(story)
    assert set(world.done.values()) == {1}
    assert types(story)[-1] == "agent_failed"  # the interrupted call raises in this agent
    assert sorted(call.data.status for call in tool_calls(story)) == ["interrupted", "ok", "ok", "ok", "ok", "ok"]


async def test_a_failed_tool_fails_again_in_the_same_words_without_being_run() -> None:
    world = World()

    @tool
    async def fail() -> None:
        """Fail."""
        world.done["fail"] += 1
        raise RuntimeError("no luck")

    @tool
    async def do(name: str) -> str:
        """Do a thing."""
        return await world.do(name)

    heard: list[str] = []

    @agent(name="trier", description="Tries.", tools=[fail, do])
    async def trier(ctx: AgentContext) -> str:
        try:
            await ctx.tools.call("fail")
        except ToolError as error:
            heard.append(f"{type(error).__name__} {error.code}: {error}")
        try:
            await ctx.tools.call("do", name="x")
        except ToolInterrupted:
            return "done"
        return "done"

    world.hang_at = "x"
    bench = Bench(trier)
    bench.begin()
    await bench.run_until(lambda: world.done["x"] == 1)

    assert_whole_story(await bench.go_on())
    assert world.done["fail"] == 1
    assert heard == ["ToolError tool_error: fail failed: no luck"] * 2


async def test_a_large_result_comes_back_whole() -> None:
    world = World()

    @tool
    async def big() -> str:
        """Give a lot."""
        world.done["big"] += 1
        return "x" * 200_000

    @tool
    async def do(name: str) -> str:
        """Do a thing."""
        return await world.do(name)

    @agent(name="reader", description="Reads.", tools=[big, do])
    async def reader(ctx: AgentContext) -> int:
        text = await ctx.tools.call("big")
        with contextlib.suppress(ToolInterrupted):
            await ctx.tools.call("do", name="x")
        return len(text)

    world.hang_at = "x"
    bench = Bench(reader)
    bench.begin()
    await bench.run_until(lambda: world.done["x"] == 1)

    story = await bench.go_on()

    assert cast("AgentCompleted", story[-1]).data.result == 200_000
    assert world.done["big"] == 1


def nested(world: World) -> tuple[AgentDefinition, ...]:
    @tool
    async def do(name: str) -> str:
        """Do a thing."""
        return await world.do(name)

    @agent(name="helper", description="Helps.", tools=[do])
    async def helper(ctx: AgentContext) -> str:
        await ctx.say(f"helping with {ctx.input} ")
        try:
            return str(await ctx.tools.call("do", name=ctx.input))
        except ToolInterrupted:
            return "unknown"

    @agent(name="boss", description="Delegates.", delegates=["helper"])
    async def boss(ctx: AgentContext) -> list[str]:
        return [await ctx.delegate("helper", name) for name in ("one", "two", "three")]

    return boss, helper


async def test_a_delegate_that_had_finished_is_not_asked_again_and_one_in_the_middle_goes_on() -> None:
    world = World()
    world.hang_at = "two"
    bench = Bench(*nested(world))
    bench.begin()
    await bench.run_until(lambda: world.done["two"] == 1)
    world.hang_at = ""

    story = await bench.go_on()

    assert_whole_story(story)
    assert world.done == {"one": 1, "two": 1, "three": 1}
    assert types(story).count("agent_started") == 4
    assert cast("AgentCompleted", story[-1]).data.result == ["did one", "unknown", "did three"]
    assert cast("AgentCompleted", story[-1]).data.usage.tool_calls == 3


async def test_a_delegate_that_had_failed_fails_again_without_working() -> None:
    world = World()
    heard: list[str] = []

    @agent(name="weak", description="Fails.")
    async def weak(ctx: AgentContext) -> None:
        world.done["weak"] += 1
        raise RuntimeError("no strength")

    @tool
    async def do(name: str) -> str:
        """Do a thing."""
        return await world.do(name)

    @agent(name="boss", description="Copes.", tools=[do], delegates=["weak"])
    async def boss(ctx: AgentContext) -> str:
        try:
            await ctx.delegate("weak", "lift")
        except DelegateFailed as error:
            heard.append(str(error))
        try:
            await ctx.tools.call("do", name="x")
        except ToolInterrupted:
            return "done"
        return "done"

    world.hang_at = "x"
    bench = Bench(boss, weak)
    bench.begin()
    await bench.run_until(lambda: world.done["x"] == 1)

    assert_whole_story(await bench.go_on())
    assert world.done["weak"] == 1
    assert heard == ["The agent failed: no strength"] * 2


class CountingModels:
    """A model that asks for `do` three times, then answers; counts its requests. See `ModelSource`."""

    label = "counting"
    offline = False

    def __init__(self, world: World) -> None:
        self.world = world
        self.hang_at_request = 0

    def model(self, *, on_retry: Callable[[str], Any]) -> Model:
        return FunctionModel(self._answer, stream_function=self._stream)

    def describe(self, error: Exception) -> Exception:
        return error

    async def _answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        raise NotImplementedError

    async def _stream(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        self.world.asked += 1
        number = sum(isinstance(message, ModelRequest) for message in messages)
        self.world.done[f"request {number}"] += 1
        yield f"step {number}: "
        if number == self.hang_at_request:
            await asyncio.sleep(3600)
        yield "more "
        if number <= 3:
            call_id = f"call{number}"
            yield {1: DeltaToolCall(name="do", json_args=f'{{"name": "t{number}"}}', tool_call_id=call_id)}


def bot(world: World, instructions: str = "Be good.") -> AgentDefinition:
    @tool
    async def do(name: str) -> str:
        """Do a thing."""
        return await world.do(name)

    return llm_agent("bot", description="A bot.", instructions=instructions, tools=[do])


async def test_model_answers_that_had_come_are_replayed_and_usage_counts_once() -> None:
    world = World()
    undisturbed = Bench(bot(world), models=CountingModels(world))
    undisturbed.begin()
    usage = cast("AgentCompleted", (await undisturbed.go_on())[-1]).data.usage
    words = said(undisturbed.story)
    world.done.clear()

    world.hang_at = "t3"
    bench = Bench(bot(world), models=CountingModels(world))
    bench.begin()
    await bench.run_until(lambda: world.done["t3"] == 1)
    world.hang_at = ""
    story = await bench.go_on()

    assert_whole_story(story)
    assert world.done == {f"request {n}": 1 for n in (1, 2, 3, 4)} | {f"t{n}": 1 for n in (1, 2, 3)}
    assert said(story) == words
    ended = cast("AgentCompleted", story[-1]).data.usage
    assert (ended.model_requests, ended.tool_calls) == (usage.model_requests, usage.tool_calls)
    assert ended.output_tokens == usage.output_tokens


async def test_a_half_answer_of_the_model_is_taken_back_and_asked_for_again() -> None:
    world = World()
    models = CountingModels(world)
    models.hang_at_request = 2
    bench = Bench(bot(world), models=models)
    bench.begin()
    await bench.run_until(lambda: "step 2: " in said(bench.story))
    models.hang_at_request = 0

    story = await bench.go_on()

    assert_whole_story(story)
    assert said(story) == "step 1: more step 2: more step 3: more step 4: more "
    assert world.done["request 1"] == 1
    assert world.done["request 2"] == 2
    assert cast("AgentCompleted", story[-1]).data.result == "step 4: more "


async def test_the_model_is_told_that_nobody_knows_how_an_interrupted_call_ended() -> None:
    world = World()
    world.hang_at = "t2"
    heard: list[str] = []

    class Listening(CountingModels):
        async def _stream(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
            parts = [part for message in messages if isinstance(message, ModelRequest) for part in message.parts]
            heard.extend(part.model_response_str() for part in parts if isinstance(part, ToolReturnPart))
            async for piece in super()._stream(messages, info):
                yield piece

    bench = Bench(bot(world), models=Listening(world))
    bench.begin()
    await bench.run_until(lambda: world.done["t2"] == 1)
    world.hang_at = ""

    assert_whole_story(await bench.go_on())
    assert any("not known whether it happened" in text for text in heard)


@pytest.mark.parametrize("change", ["instructions", "code"])
async def test_an_agent_that_was_changed_meanwhile_fails_with_a_clear_reason_and_does_nothing(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.agent.gate.CATCH_UP_SECONDS", 0.1)
    world = World()
    is_llm = change == "instructions"
    bench = Bench(bot(world) if is_llm else plain_agent(world, "tu"), models=CountingModels(world))
    world.hang_at = "t2" if is_llm else "u"
    bench.begin()
    await bench.run_until(lambda: world.done[world.hang_at] == 1)
    world.hang_at = ""
    done = dict(world.done)

    story = await bench.go_on(bot(world, "Be bad.") if is_llm else plain_agent(world, "xyz"))

    assert_whole_story(story)
    failure = cast("AgentFailed", story[-1]).data.error
    assert failure.code == "journal_mismatch"
    assert "was changed while it was working" in failure.message
    assert world.done == done


async def test_a_third_attempt_is_answered_with_what_the_first_two_have_done() -> None:
    world = World()
    bench = Bench(plain_agent(world))
    bench.begin()
    for letter in "bc":
        world.hang_at = letter
        await bench.run_until(lambda: world.done[world.hang_at] == 1)
    world.hang_at = ""

    story = await bench.go_on()

    assert_whole_story(story)
    assert world.done == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert said(story) == "now a now b (who knows) now c (who knows) now d "
    assert [event.attempt for event in story if isinstance(event, RunResumed)] == [2, 3]


async def test_a_draining_worker_lets_a_tool_end_and_gives_the_run_back_before_the_next() -> None:
    world = World()
    going = asyncio.Event()

    @tool
    async def slow(name: str) -> str:
        """Take a moment."""
        going.set()
        await asyncio.sleep(0.2)
        return await world.do(name)

    @agent(name="doer", description="Does things.", tools=[slow])
    async def doer(ctx: AgentContext) -> str:
        for name in "abc":
            await ctx.tools.call("slow", name=name)
        return "done"

    bench = Bench(doer)
    bench.begin()
    engine = bench.engine()
    work = asyncio.ensure_future(engine.execute(RUN))
    await going.wait()

    await engine.drain(5)
    await asyncio.wait_for(work, 5)

    assert bench.state == RunState.QUEUED
    assert world.done == {"a": 1}
    story = await bench.go_on()
    assert_whole_story(story)
    assert world.done == {"a": 1, "b": 1, "c": 1}
    assert [call.data.status for call in tool_calls(story)] == ["ok"] * 3


async def test_a_draining_worker_gives_back_a_run_whose_tool_does_not_end() -> None:
    world = World()
    world.hang_at = "b"
    bench = Bench(plain_agent(world))
    bench.begin()
    engine = bench.engine()
    work = asyncio.ensure_future(engine.execute(RUN))

    async def hangs() -> bool:
        return world.done["b"] == 1

    await wait_until_async(hangs)
    await engine.drain(0.1)
    await asyncio.wait_for(work, 5)
    world.hang_at = ""

    story = await bench.go_on()

    assert_whole_story(story)
    assert [call.data.status for call in tool_calls(story)] == ["ok", "interrupted", "ok", "ok"]
    assert world.done["b"] == 1


def asking(world: World, **options: Any) -> AgentDefinition:
    @tool(requires_approval=True, **options)
    async def delete(name: str) -> str:
        """Delete a file."""
        return await world.do(name)

    @agent(name="cleaner", description="Deletes.", tools=[delete])
    async def cleaner(ctx: AgentContext) -> str:
        await ctx.say("I would delete it. ")
        try:
            return str(await ctx.tools.call("delete", name="x"))
        except ToolDenied as error:
            return f"denied: {error}"

    return cleaner


async def test_a_tool_that_needs_a_yes_waits_without_a_worker_and_runs_after_it() -> None:
    world = World()
    bench = Bench(asking(world))
    bench.begin()

    await bench.go_on()

    assert bench.state == RunState.WAITING
    assert world.done == {}
    assert types(bench.story)[-2:] == ["tool_executing", "approval_requested"]
    [requested] = [event for event in bench.story if isinstance(event, ApprovalRequested)]
    approval = bench.log.approvals_of(RUN)["a1.t1"]
    assert approval.request.arguments == {"name": "x"}
    assert requested.data.arguments_hash == approval.request.arguments_hash

    bench.log.decide(RUN, "a1.t1", Verdict(decision="approved", by="usr_1"))
    story = await bench.go_on()

    assert_whole_story(story)
    assert world.done == {"x": 1}
    assert types(story).count("approval_requested") == 1
    assert said(story) == "I would delete it. "
    assert cast("AgentCompleted", story[-1]).data.result == "did x"


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict(decision="denied", by="usr_1"), "A person did not allow delete to run."),
        (Verdict(decision="expired", by=""), "Nobody allowed delete in time."),
    ],
)
async def test_a_tool_that_is_not_allowed_does_not_run_and_the_agent_is_told(verdict: Verdict, words: str) -> None:
    world = World()
    bench = Bench(asking(world))
    bench.begin()
    await bench.go_on()
    bench.log.decide(RUN, "a1.t1", verdict)

    story = await bench.go_on()

    assert_whole_story(story)
    assert world.done == {}
    assert [call.data.status for call in tool_calls(story)] == ["denied"]
    assert words in cast("AgentCompleted", story[-1]).data.result


async def test_changed_arguments_are_what_runs() -> None:
    world = World()
    bench = Bench(asking(world, editable=True))
    bench.begin()
    await bench.go_on()
    bench.log.decide(RUN, "a1.t1", Verdict(decision="approved", by="usr_1", arguments={"name": "y"}))

    story = await bench.go_on()

    assert_whole_story(story)
    assert world.done == {"y": 1}


async def test_a_worker_lost_over_an_allowed_call_leaves_it_interrupted() -> None:
    world = World()
    bench = Bench(asking(world))
    bench.begin()
    await bench.go_on()
    bench.log.decide(RUN, "a1.t1", Verdict(decision="approved", by="usr_1"))
    world.hang_at = "x"
    await bench.run_until(lambda: world.done["x"] == 1)

    story = await bench.go_on()

    assert_whole_story(story)
    assert world.done == {"x": 1}
    assert [call.data.status for call in tool_calls(story)] == ["interrupted"]


async def test_a_worker_lost_before_anyone_decided_asks_nobody_twice() -> None:
    world = World()
    bench = Bench(asking(world))
    bench.begin()
    await bench.run_until(lambda: "approval_requested" in types(bench.story))

    await bench.go_on()

    assert bench.state == RunState.WAITING
    assert types(bench.story).count("approval_requested") == 1
    assert not [event for event in bench.story if isinstance(event, ToolCompleted)]


async def test_siblings_of_a_call_that_waits_go_on_until_they_are_done() -> None:
    world = World()

    @tool(requires_approval=True)
    async def delete(name: str) -> str:
        """Delete a file."""
        return await world.do(name)

    @tool
    async def do(name: str) -> str:
        """Do a thing."""
        await asyncio.sleep(0.05)
        return await world.do(name)

    @agent(name="busy", description="Does both at once.", tools=[delete, do])
    async def busy(ctx: AgentContext) -> list[str]:
        async def others() -> str:
            for name in "abc":
                await ctx.tools.call("do", name=name)
            return "others"

        return [str(answer) for answer in await asyncio.gather(ctx.tools.call("delete", name="x"), others())]

    bench = Bench(busy)
    bench.begin()
    await bench.go_on()
    assert bench.state == RunState.WAITING
    assert world.done == {"a": 1, "b": 1, "c": 1}

    bench.log.decide(RUN, "a1.t1", Verdict(decision="approved", by="usr_1"))
    story = await bench.go_on()

    assert_whole_story(story)
    assert world.done == {"a": 1, "b": 1, "c": 1, "x": 1}
    assert cast("AgentCompleted", story[-1]).data.result == ["did x", "others"]


async def test_an_llm_agent_that_waits_for_a_yes_is_not_asked_again() -> None:
    world = World()

    @tool(requires_approval=True)
    async def do(name: str) -> str:
        """Do a thing."""
        return await world.do(name)

    careful = llm_agent("bot", description="A bot.", instructions="Be good.", tools=[do])
    bench = Bench(careful, models=CountingModels(world))
    bench.begin()
    for number in (1, 2, 3):
        await bench.go_on()
        assert bench.state == RunState.WAITING
        bench.log.decide(RUN, f"a1.t{number}", Verdict(decision="approved", by="usr_1"))

    story = await bench.go_on()

    assert_whole_story(story)
    assert world.done == {f"request {n}": 1 for n in (1, 2, 3, 4)} | {f"t{n}": 1 for n in (1, 2, 3)}
    assert said(story) == "step 1: more step 2: more step 3: more step 4: more "
