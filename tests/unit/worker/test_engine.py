"""The engine over a log in memory: whatever an agent or a tool does, the story is whole."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from tests.support.story import assert_whole_story, tool_calls, types
from tests.support.waiting import wait_until_async
from worker.agent.context import AgentContext, Turn
from worker.agent.definition import AgentDefinition, agent, llm_agent
from worker.agent.errors import DelegateFailed, ToolError
from worker.agent.invocation import AgentParts
from worker.agent.ports import Workspace
from worker.agent.redaction import Redactor
from worker.agent.registry import AgentRegistry
from worker.agent.tool import Tool, ToolContext, tool
from worker.contract.closing import stopped
from worker.contract.codec import MAX_EVENT_BYTES, encode
from worker.contract.events import (
    AgentCompleted,
    AgentFailed,
    AgentStarted,
    Event,
    PartialResult,
    ToolExecuting,
    ToolProgress,
)
from worker.contract.run import RunState
from worker.engine import EngineLimits, ExecutionEngine
from worker.memory_log import MemoryLog
from worker.outcomes import Lost
from worker.wiring import ScriptedModels

RUN = "run_1"


class Bench:
    """An engine, its log, and a way to run one agent."""

    def __init__(self, *agents: AgentDefinition, timeout: float = 5.0) -> None:
        self.log = MemoryLog()
        parts = AgentParts(
            AgentRegistry(agents), ScriptedModels(), ThreadPoolExecutor(8), lambda _: cast("Workspace", None)
        )
        redactor = Redactor(["sk-very-secret"])
        limits = EngineLimits(run_timeout=timeout, approval=60)
        self.engine = ExecutionEngine(parts, self.log, limits=limits, redactor=redactor)

    async def run(self, name: str, message: str = "hello") -> list[Event]:
        self.log.create(RUN, agent=name, message=message)
        await self.engine.execute(RUN)
        return self.story

    @property
    def story(self) -> list[Event]:
        return self.log.stories[RUN]

    async def start_until_tool_runs(self, name: str) -> asyncio.Task[bool]:
        self.log.create(RUN, agent=name, message="hello")
        work = asyncio.ensure_future(self.engine.execute(RUN))

        async def runs() -> bool:
            return "tool_executing" in types(self.story)

        await wait_until_async(runs)
        return work


def caller_of(target: Tool) -> AgentDefinition:
    """An agent that calls one tool, tells how it went, and goes on."""

    @agent(name="caller", description="Calls one tool.", tools=[target])
    async def caller(ctx: AgentContext) -> Any:
        try:
            result = await ctx.tools.call(target.name)
        except ToolError as error:
            return f"it failed: {error}"
        return {"length": len(str(result))}

    return caller


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
async def sleeper() -> None:
    """Sleep for ever."""
    await asyncio.sleep(3600)


@agent(tools=[add])
async def adder(ctx: AgentContext) -> None:
    """Adds 2 and 3."""
    await ctx.think("I shall add.")
    await ctx.say(f"It is {await ctx.tools.call('add', a=2, b=3)}.")


async def test_a_plain_agent_tells_the_five_events_in_order() -> None:
    story = await Bench(adder).run("adder")

    assert_whole_story(story)
    assert types(story) == [
        "agent_started",
        "agent_thinking",
        "tool_executing",
        "tool_completed",
        "partial_result",
        "agent_completed",
    ]
    assert cast("AgentCompleted", story[-1]).data.result == "It is 5."


@tool
async def raiser() -> None:
    """Raise."""
    raise RuntimeError("the disk with sk-very-secret is full")


@tool(timeout_seconds=0.05)
async def hanger() -> None:
    """Hang."""
    await asyncio.sleep(3600)


@tool(timeout_seconds=0.05)
def blocker() -> None:
    """Block an OS thread."""
    time.sleep(1)


@tool(timeout_seconds=0.05)
async def stubborn() -> None:
    """Hang, and swallow every request to stop."""
    for _ in range(30):
        try:
            await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            continue


@tool
async def garbage() -> object:
    """Return something that is not JSON."""
    return object()


@tool
async def leaver() -> None:
    """Leave the process."""
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (raiser, "tool_error"),
        (hanger, "tool_timeout"),
        (blocker, "tool_timeout"),
        (stubborn, "tool_timeout"),
        (garbage, "tool_result_invalid"),
        (leaver, "tool_error"),
    ],
    ids=lambda value: value.name if isinstance(value, Tool) else "",
)
async def test_a_tool_that_does_not_end_well_is_shown_as_an_error_and_the_agent_goes_on(
    target: Tool, code: str
) -> None:
    story = await Bench(caller_of(target)).run("caller")

    assert_whole_story(story)
    [completed] = tool_calls(story)
    assert completed.data.status == "error"
    assert completed.data.error is not None
    assert completed.data.error.code == code
    assert "sk-very-secret" not in completed.data.error.message
    assert types(story)[-1] == "agent_completed"


@tool
async def big() -> str:
    """Return 5 MB."""
    return "x" * 5_000_000


async def test_a_result_of_5_mb_is_cut_in_the_event_and_kept_whole_beside_it() -> None:
    bench = Bench(caller_of(big))

    story = await bench.run("caller")

    assert_whole_story(story)
    [completed] = tool_calls(story)
    assert completed.data.status == "ok"
    assert completed.data.truncated
    assert completed.data.result_bytes == 5_000_002
    assert len(completed.data.result) < 10_000
    assert len(bench.log.results[RUN, completed.data.call_id]) == 5_000_002
    assert cast("AgentCompleted", story[-1]).data.result == {"length": 5_000_000}


@tool
async def many_rows() -> dict[str, Any]:
    """Return a table of many rows."""
    return {"kind": "table", "columns": ["n"], "rows": [[n] for n in range(50_000)], "total_rows": 50_000}


async def test_a_large_table_stays_a_table_in_the_event() -> None:
    story = await Bench(caller_of(many_rows)).run("caller")

    [completed] = tool_calls(story)
    assert completed.data.truncated
    assert completed.data.result["kind"] == "table"
    assert completed.data.result["rows"][0] == [0]


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("nonsense", {}, "unknown_tool"),
        ("add", {"a": "no number", "b": 1}, "invalid_arguments"),
        ("add", {}, "invalid_arguments"),
    ],
)
async def test_a_call_that_cannot_be_made_is_shown_too(name: str, arguments: dict[str, Any], code: str) -> None:
    @agent(tools=[add])
    async def asker(ctx: AgentContext) -> None:
        """Asks wrongly."""
        await ctx.tools.call(name, **arguments)

    story = await Bench(asker).run("asker")

    assert_whole_story(story)
    [completed] = tool_calls(story)
    assert completed.data.error is not None
    assert completed.data.error.code == code
    assert types(story)[-1] == "agent_failed"


async def test_an_agent_that_raises_fails_with_its_words_and_without_secrets() -> None:
    @agent()
    async def raising(ctx: AgentContext) -> None:
        """Raises."""
        raise ValueError("no use: sk-very-secret")

    story = await Bench(raising).run("raising")

    assert_whole_story(story)
    assert cast("AgentFailed", story[-1]).data.error.message == "The agent failed: no use: •••"


async def test_an_unknown_agent_fails_visibly() -> None:
    story = await Bench(adder).run("nobody")

    assert types(story) == ["agent_started", "agent_failed"]
    assert cast("AgentFailed", story[-1]).data.error.code == "unknown_agent"


async def test_a_stop_in_a_tool_closes_the_tool_and_the_run_as_cancelled() -> None:
    bench = Bench(caller_of(sleeper))
    work = await bench.start_until_tool_runs("caller")

    bench.engine.running[RUN].end(stopped("user"))
    await asyncio.wait_for(work, 2)

    assert_whole_story(bench.story)
    assert [call.data.status for call in tool_calls(bench.story)] == ["cancelled"]
    assert types(bench.story)[-1] == "agent_cancelled"
    assert bench.log.records[RUN].state == RunState.CANCELLED


async def test_an_agent_that_swallows_the_stop_is_closed_over_its_head_within_2_seconds() -> None:
    released = threading.Event()

    @agent(tools=[stubborn_forever(released)])
    async def deaf(ctx: AgentContext) -> None:
        """Swallows everything."""
        while not released.is_set():
            try:
                await ctx.tools.call("forever")
            except BaseException:  # noqa: BLE001 - the point of this agent
                await asyncio.sleep(0.01)

    bench = Bench(deaf)
    work = await bench.start_until_tool_runs("deaf")

    bench.engine.running[RUN].end(stopped("user"))
    await asyncio.wait_for(work, 3)
    told = len(bench.story)
    released.set()
    await asyncio.sleep(0.1)

    assert_whole_story(bench.story)
    assert [call.data.status for call in tool_calls(bench.story)] == ["cancelled"]
    assert len(bench.story) == told
    assert types(bench.story)[-1] == "agent_cancelled"


def stubborn_forever(released: threading.Event) -> Tool:
    @tool(timeout_seconds=30)
    async def forever() -> None:
        """Swallow every request to stop."""
        while not released.is_set():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue

    return forever


async def test_a_run_that_takes_too_long_fails_with_its_open_calls_closed() -> None:
    story = await Bench(caller_of(sleeper), timeout=0.1).run("caller")

    assert_whole_story(story)
    assert cast("AgentFailed", story[-1]).data.error.code == "run_timeout"


async def test_a_lost_attempt_says_nothing_more() -> None:
    bench = Bench(caller_of(sleeper))
    work = await bench.start_until_tool_runs("caller")

    bench.log.records[RUN] = bench.log.change(RUN, attempt=2)
    bench.engine.running[RUN].end(Lost())
    await asyncio.wait_for(work, 3)

    assert types(bench.story) == ["agent_started", "tool_executing"]


async def test_a_ring_for_a_run_whose_attempt_is_lost_is_answered_when_that_attempt_is_over() -> None:
    bench = Bench(caller_of(sleeper))
    work = await bench.start_until_tool_runs("caller")
    bench.log.requeue(RUN)
    await bench.engine.execute(RUN)  # the ring comes while the lost attempt is still here
    bench.engine.running[RUN].end(Lost())
    await asyncio.wait_for(work, 5)

    assert_whole_story(bench.story)
    assert bench.story[-1].attempt == 2


async def test_a_second_delivery_of_a_run_does_nothing() -> None:
    bench = Bench(adder)
    story = list(await bench.run("adder"))

    await bench.engine.execute(RUN)

    assert bench.story == story


async def test_a_delegated_agent_is_a_call_inside_its_parents_run() -> None:
    @agent(delegates=["adder"])
    async def boss(ctx: AgentContext) -> Any:
        """Lets others work."""
        return await ctx.delegate("adder", "add, please")

    story = await Bench(boss, adder).run("boss")

    assert_whole_story(story)
    nested = [event for event in story if event.agent_call_id == "a1.1"]
    assert types(nested)[0] == "agent_started"
    assert types(nested)[-1] == "agent_completed"
    assert all(event.parent_call_id == "a1" and event.agent_name == "adder" for event in nested)
    assert cast("AgentCompleted", story[-1]).data.result == "It is 5."
    assert cast("AgentCompleted", story[-1]).data.usage.tool_calls == 1


async def test_a_failed_delegate_is_shown_and_the_parent_may_go_on() -> None:
    @agent()
    async def weak(ctx: AgentContext) -> None:
        """Fails."""
        raise RuntimeError("no strength")

    @agent(delegates=["weak"])
    async def boss(ctx: AgentContext) -> str:
        """Copes."""
        with pytest.raises(DelegateFailed):
            await ctx.delegate("weak", "lift")
        return "done without"

    story = await Bench(boss, weak).run("boss")

    assert_whole_story(story)
    assert types(story) == ["agent_started", "agent_started", "agent_failed", "agent_completed"]


async def test_agents_that_ask_each_other_in_a_circle_are_stopped() -> None:
    @agent(name="echo", description="Asks itself.", delegates=["echo"])
    async def echo(ctx: AgentContext) -> Any:
        return await ctx.delegate("echo", "again")

    story = await Bench(echo).run("echo")

    assert_whole_story(story)
    assert cast("AgentFailed", story[-1]).data.error.code == "step_limit"
    assert sum(isinstance(event, AgentStarted) for event in story) <= 5


async def test_tokens_are_joined_and_stay_in_order_with_everything_else() -> None:
    @agent(tools=[add])
    async def talker(ctx: AgentContext) -> None:
        """Talks a lot."""
        for n in range(200):
            await ctx.say(f"{n} ")
        await ctx.tools.call("add", a=1, b=1)
        await ctx.say("end")

    story = await Bench(talker).run("talker")

    assert_whole_story(story)
    parts = [event for event in story if isinstance(event, PartialResult)]
    assert "".join(part.data.text for part in parts) == "".join(f"{n} " for n in range(200)) + "end"
    assert parts[0].data.text == "0 "
    assert len(parts) < 20
    before_tool = [event for event in story[: types(story).index("tool_executing")] if isinstance(event, PartialResult)]
    assert "".join(part.data.text for part in before_tool).endswith("199 ")


async def test_a_tool_reports_progress_from_an_os_thread() -> None:
    @tool
    def counting(ctx: ToolContext) -> str:
        """Count."""
        ctx.report("half way", 0.5)
        time.sleep(0.05)
        return "done"

    story = await Bench(caller_of(counting)).run("caller")

    assert_whole_story(story)
    [progress] = [event for event in story if isinstance(event, ToolProgress)]
    assert (progress.data.text, progress.data.fraction) == ("half way", 0.5)


async def test_an_agent_knows_the_earlier_turns_of_its_thread() -> None:
    @agent()
    async def remembering(ctx: AgentContext) -> list[str]:
        """Remembers."""
        return [turn.answer for turn in ctx.run.history]

    bench = Bench(remembering)
    bench.log.turns = [Turn("hi", "hello"), Turn("and?", "so")]

    story = await bench.run("remembering")

    assert cast("AgentCompleted", story[-1]).data.result == ["hello", "so"]


async def test_an_llm_agent_shows_its_model_tools_and_parallel_calls() -> None:
    bot = llm_agent("bot", description="A bot.", instructions="Be good.", tools=[add, sleeping_a_little])

    story = await Bench(bot).run("bot")

    assert_whole_story(story)
    started = cast("AgentStarted", story[0])
    assert (started.data.model, started.data.tools) == ("scripted", ["add", "sleeping_a_little"])
    assert types(story)[1:3] == ["tool_executing", "tool_executing"]
    assert cast("AgentCompleted", story[-1]).data.result == "done"


@tool
async def sleeping_a_little() -> str:
    """Sleep a little."""
    await asyncio.sleep(0.01)
    return "slept"


async def test_fifty_runs_at_once_are_fifty_whole_stories() -> None:
    bench = Bench(adder)
    for n in range(50):
        bench.log.create(f"run_{n}", agent="adder", message="go")

    await asyncio.gather(*(bench.engine.execute(f"run_{n}") for n in range(50)))

    for n in range(50):
        assert_whole_story(bench.log.stories[f"run_{n}"])


async def test_calls_left_behind_when_the_run_ends_are_closed_once_and_begin_nothing_more() -> None:
    @agent(tools=[sleeping_a_little])
    async def hasty(ctx: AgentContext) -> str:
        """Ends while its calls go on."""
        ctx.late = [asyncio.ensure_future(ctx.tools.call("sleeping_a_little")) for _ in range(20)]  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)
        return "done"

    bench = Bench(hasty)
    await bench.run("hasty")
    await asyncio.sleep(0.1)

    assert_whole_story(bench.story)


async def test_two_agents_that_speak_at_once_keep_their_words() -> None:
    def speaker(name: str, letter: str) -> AgentDefinition:
        @agent(name=name, description="Speaks.")
        async def speak(ctx: AgentContext) -> None:
            for _ in range(300):
                await ctx.say(letter)
                await asyncio.sleep(0)

        return speak

    @agent(delegates=["left", "right"])
    async def both(ctx: AgentContext) -> None:
        """Lets two speak."""
        await asyncio.gather(ctx.delegate("left", ""), ctx.delegate("right", ""))

    story = await Bench(both, speaker("left", "L"), speaker("right", "R")).run("both")

    assert_whole_story(story)
    said = {
        name: "".join(e.data.text for e in story if isinstance(e, PartialResult) and e.agent_name == name)
        for name in ("left", "right")
    }
    assert said == {"left": "L" * 300, "right": "R" * 300}


async def test_half_a_surrogate_pair_is_shown_as_a_question_mark_and_ends_no_story() -> None:
    @agent()
    async def odd(ctx: AgentContext) -> None:
        """Says half a character, then raises another half."""
        await ctx.say("a\ud83d")
        raise OSError("caf\udce9.csv")

    story = await Bench(odd).run("odd")

    assert_whole_story(story)


async def test_long_texts_become_events_below_the_limit() -> None:
    @agent()
    async def endless(ctx: AgentContext) -> None:
        """Says and thinks a lot at once."""
        await ctx.think("y" * 300_000)
        await ctx.say("\x01" * 200_000)

    story = await Bench(endless).run("endless")

    assert_whole_story(story)
    assert max(len(encode(event)) for event in story) <= MAX_EVENT_BYTES
    assert "".join(event.data.text for event in story if isinstance(event, PartialResult)) == "\x01" * 200_000


async def test_a_plain_tool_that_raises_stop_iteration_fails_at_once() -> None:
    @tool
    def next_of_nothing() -> str:
        """Take the first of nothing."""
        return str(next(iter([])))

    story = await Bench(caller_of(next_of_nothing)).run("caller")

    [completed] = tool_calls(story)
    assert completed.data.error is not None
    assert completed.data.error.code == "tool_error"


async def test_a_tool_that_reports_in_a_tight_loop_is_shown_a_few_times_and_never_after_its_end() -> None:
    @tool
    def chatty(ctx: ToolContext) -> str:
        """Report ten thousand times."""
        for n in range(10_000):
            ctx.report(f"{n}", n / 10_000)
        return "done"

    story = await Bench(caller_of(chatty)).run("caller")

    assert_whole_story(story)
    assert types(story).count("tool_progress") < 50
    assert "tool_progress" not in types(story)[types(story).index("tool_completed") :]


async def test_a_result_with_a_nan_is_a_result() -> None:
    @tool
    async def mean() -> dict[str, float]:
        """Give the mean of nothing."""
        return {"mean": float("nan")}

    story = await Bench(caller_of(mean)).run("caller")

    assert [call.data.result for call in tool_calls(story)] == [{"mean": None}]


async def test_a_run_that_took_too_long_leaves_its_tools_as_interrupted() -> None:
    story = await Bench(caller_of(sleeper), timeout=0.1).run("caller")

    assert [call.data.status for call in tool_calls(story)] == ["interrupted"]


async def test_a_worker_that_stops_takes_no_run() -> None:
    bench = Bench(adder)
    await bench.engine.drain(0)
    bench.log.create(RUN, agent="adder", message="hello")

    assert not await bench.engine.execute(RUN)

    assert bench.log.records[RUN].state == RunState.QUEUED


async def test_a_tool_is_shown_with_its_purpose() -> None:
    story = await Bench(adder).run("adder")

    [executing] = [event for event in story if isinstance(event, ToolExecuting)]
    assert executing.data.purpose == "Add two numbers."


async def test_what_is_said_after_a_tool_call_is_a_message_of_its_own() -> None:
    @agent(tools=[add])
    async def talker(ctx: AgentContext) -> None:
        """Speaks before and after."""
        await ctx.say("before ")
        await ctx.tools.call("add", a=1, b=1)
        await ctx.say("after")

    story = await Bench(talker).run("talker")

    parts = [event.data for event in story if isinstance(event, PartialResult)]
    assert [(part.message_id, part.text) for part in parts] == [("a1.m1", "before "), ("a1.m2", "after")]
    assert cast("AgentCompleted", story[-1]).data.result == "before after"
