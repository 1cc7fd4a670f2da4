"""A model behind a real HTTP endpoint, from the message to the last event."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Literal, cast, get_args

import pytest

from tests.support.client import Client, Event, assert_whole
from tests.support.model_provider import KEY, ModelProvider, call, reply, text, thinking
from tests.support.system import System, running_system
from tests.support.waiting import scaled

Protocol = Literal["openai", "anthropic"]


@pytest.fixture(scope="module", params=get_args(Protocol))
def protocol(request: pytest.FixtureRequest) -> Protocol:
    return cast("Protocol", request.param)


@pytest.fixture(scope="module")
def shared_provider() -> Iterator[ModelProvider]:
    with ModelProvider() as made:
        yield made


@pytest.fixture(scope="module")
def system(
    tmp_path_factory: pytest.TempPathFactory, shared_provider: ModelProvider, protocol: Protocol
) -> Iterator[System]:
    settings = {**shared_provider.environment(protocol), "MODEL_MAX_RETRIES": "2"}
    with running_system(tmp_path_factory.mktemp(f"models-{protocol}"), settings) as running:
        yield running


@pytest.fixture
def provider(shared_provider: ModelProvider) -> ModelProvider:
    shared_provider.clear()
    return shared_provider


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    made = Client(system.url)
    yield made
    made.close()


def types(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def joined(events: list[Event], kind: str) -> str:
    return "".join(event["data"]["text"] for event in events if event["type"] == kind)


def test_thoughts_tools_and_tokens_of_a_real_model_are_events(client: Client, provider: ModelProvider) -> None:
    provider.reply(thinking("Let me ", "calculate."), call("calculate", expression="17 * 3"))
    provider.reply(text("It ", "is ", "51."))

    events = client.follow(client.post_run("17 times 3?", agent="optimization")["run_id"])

    assert_whole(events)
    assert joined(events, "agent_thinking") == "Let me calculate."
    [completed] = [event["data"] for event in events if event["type"] == "tool_completed"]
    assert (completed["tool_name"], completed["status"]) == ("calculate", "ok")
    assert "51" in json.dumps(completed["result"])
    assert joined(events, "partial_result") == events[-1]["data"]["result"] == "It is 51."
    assert events[-1]["data"]["usage"]["model_requests"] == 2


def test_a_delegation_by_a_model_is_a_nested_agent_call(client: Client, provider: ModelProvider) -> None:
    provider.when("triage", then=[reply(call("delegate", agent="reporting", task="say hi")), reply(text("Done."))])
    provider.when("reporting", then=[reply(text("Hi."))])

    events = client.follow(client.post_run("hello")["run_id"])

    assert_whole(events)
    nested = [event for event in events if event["parent_call_id"] == "a1"]
    assert types(nested) == ["agent_started", "partial_result", "agent_completed"]
    assert "tool_executing" not in types(events)


def test_a_run_stops_inside_2_seconds_in_the_middle_of_a_model_answer(client: Client, provider: ModelProvider) -> None:
    provider.reply(text(*[f"word{n} " for n in range(1000)], pause=0.05))
    run_id = client.post_run("talk", agent="reporting")["run_id"]
    client.follow(run_id, at_most=4)

    asked = time.monotonic()
    client.cancel(run_id)
    events = client.follow(run_id)

    assert time.monotonic() - asked < scaled(2)
    assert_whole(events)
    assert events[-1]["type"] == "agent_cancelled"
    assert joined(events, "partial_result").startswith("word0 word1 ")


def test_a_busy_model_is_asked_again_and_the_wait_is_shown(client: Client, provider: ModelProvider) -> None:
    provider.fail(429, times=1)
    provider.reply(text("Here I am."))

    events = client.follow(client.post_run("hello", agent="reporting")["run_id"])

    assert_whole(events)
    assert "Trying again in" in joined(events, "agent_thinking")
    assert events[-1]["data"]["result"] == "Here I am."


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(401, "model_auth", "key"), (404, "model_not_found", "model"), (503, "model_overloaded", "")],
)
def test_a_model_that_cannot_answer_fails_in_words_and_without_the_key(
    client: Client, provider: ModelProvider, status: int, code: str, words: str
) -> None:
    provider.fail(status, times=10, message=f"you sent {KEY}")

    events = client.follow(client.post_run("hello", agent="reporting")["run_id"])

    assert_whole(events)
    assert events[-1]["type"] == "agent_failed"
    assert events[-1]["data"]["error"]["code"] == code
    assert words in events[-1]["data"]["error"]["message"]
    assert KEY not in json.dumps(events)


def test_a_model_that_breaks_off_in_the_middle_fails_with_what_was_said_kept(
    client: Client, provider: ModelProvider
) -> None:
    provider.misbehave(reply(text("The answer ", "is "), ending="reset"))

    events = client.follow(client.post_run("hello", agent="reporting")["run_id"])

    assert_whole(events)
    assert joined(events, "partial_result").startswith("The answer")
    assert events[-1]["data"]["error"]["code"] == "model_interrupted"
