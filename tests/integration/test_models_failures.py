"""Each way in which a model can fail, as the person reads it: the right code, plain words, and never the key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support.model_asker import Heard, asking
from tests.support.model_provider import KEY, ModelProvider, Raw, Refusal, Reply, Silence, call, refusal, reply
from worker.agent.errors import AgentError, ModelError, StepLimitReached
from worker.contract.errors import FailureCode

PROTOCOLS = ["openai", "anthropic"]


class Case(NamedTuple):
    answer: Refusal | Raw | Silence | Reply
    code: FailureCode
    words: str
    retryable: bool = False


CASES = {
    "wrong key": Case(
        refusal(401, f"Incorrect API key provided: {KEY}", kind="authentication_error"),
        FailureCode.MODEL_AUTH,
        "The model provider refused the key. Ask whoever runs this server to check {KEY_VARIABLE}.",
    ),
    "key without the right": Case(
        refusal(403, f"{KEY} may not", kind="permission_error"), FailureCode.MODEL_AUTH, "refused the key"
    ),
    "unknown model": Case(
        refusal(404, "no such model", kind="not_found_error"),
        FailureCode.MODEL_NOT_FOUND,
        "has no model named 'test-model'",
    ),
    "too many": Case(refusal(429, "slow down", kind="rate_limit_error"), FailureCode.MODEL_OVERLOADED, "busy", True),
    "server error": Case(refusal(500, KEY), FailureCode.MODEL_OVERLOADED, "a problem of its own (500)", True),
    "rejected, with the key in the reason": Case(
        refusal(400, f"your key {KEY} at https://ann:geheim77@gw.example is odd", kind="invalid_request_error"),
        FailureCode.MODEL_REJECTED,
        "rejected the request. It says: your key ••• at https://•••@gw.example is odd",
    ),
    "rejected, at length": Case(
        refusal(400, "x" * 290 + KEY + "y" * 5000, kind="invalid_request_error"), FailureCode.MODEL_REJECTED, "•••"
    ),
    "a page in the place of an answer": Case(
        Raw(f"<html>Bad gateway {KEY}</html>".encode(), "text/html", 502), FailureCode.MODEL_OVERLOADED, "(502)", True
    ),
    "a page that claims to be right": Case(
        Raw(f"<html>Welcome {KEY}</html>".encode(), "text/html"),
        FailureCode.MODEL_REJECTED,
        "no answer that can be used",
    ),
    "an empty stream": Case(Raw(b""), FailureCode.MODEL_REJECTED, "no answer that can be used"),
    "a stream of noise": Case(
        Raw(b"event: message_start\ndata: {garbage " + KEY.encode() + b"\n\n"),
        FailureCode.MODEL_REJECTED,
        "is not an answer of a model. Is {URL_VARIABLE} the address of such an API?",
    ),
    "JSON of another kind": Case(
        Raw(b'event: message_start\ndata: {"type":"message_start","hello":[1,2]}\n\n'),
        FailureCode.MODEL_UNREACHABLE,
        "closed without an answer",
        retryable=True,
    ),
    "no answer": Case(
        Silence("hang"), FailureCode.MODEL_UNREACHABLE, "did not begin to answer within 0.5 s", retryable=True
    ),
    "a closed connection": Case(
        Silence("close"), FailureCode.MODEL_UNREACHABLE, "the connection was closed without an answer", retryable=True
    ),
    "a reset connection": Case(Silence("reset"), FailureCode.MODEL_UNREACHABLE, "the connection was", retryable=True),
    "broken off": Case(
        reply("Hello", ending="fin"), FailureCode.MODEL_INTERRUPTED, "broke in the middle of its answer", True
    ),
    "reset in the middle": Case(
        reply("Hello", ending="reset"), FailureCode.MODEL_INTERRUPTED, "broke in the middle of its answer", True
    ),
    "cut behind a proxy that hides it": Case(
        reply("Hello", ending="unsaid"), FailureCode.MODEL_INTERRUPTED, "broke in the middle of its answer", True
    ),
    "silent in the middle": Case(
        reply("Hello", ending="hang"), FailureCode.MODEL_INTERRUPTED, "fell silent in the middle", True
    ),
    "overloaded in the middle": Case(
        reply("Hello", error=refusal(529, KEY, code="overloaded_error", kind="overloaded_error")),
        FailureCode.MODEL_INTERRUPTED,
        "broke in the middle of its answer",
        True,
    ),
}


@pytest.fixture
def provider() -> Iterator[ModelProvider]:
    with ModelProvider() as running:
        yield running


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", CASES)
async def test_a_failure_has_its_code_and_plain_words(provider: ModelProvider, protocol: str, name: str) -> None:
    case = CASES[name]
    provider.decide(lambda _: case.answer)
    error = await _failure(provider, protocol, MODEL_MAX_RETRIES="1", MODEL_TIMEOUT_SECONDS="0.5")
    prefix = protocol.upper()
    words = case.words.replace("{KEY_VARIABLE}", f"{prefix}_API_KEY").replace("{URL_VARIABLE}", f"{prefix}_BASE_URL")
    assert words in str(error)
    assert (error.code, error.retryable) == (case.code, case.retryable)
    assert KEY[:12] not in str(error.failure)
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (refusal(400, "too long", code="context_length_exceeded"), "too long for this model"),
        (refusal(400, "This model's maximum context length is 8192 tokens", kind="BadRequestError"), "too long"),
        (refusal(429, "You exceeded your current quota", code="insufficient_quota"), "out of credit"),
        (refusal(404, "no", code="model_not_found"), "has no model named"),
        (refusal(400, "no", code="model_not_found"), "has no model named"),
        (refusal(418, "I am a teapot"), "status 418. It says: I am a teapot"),
    ],
)
async def test_what_openai_says_in_codes_is_said_in_words(
    provider: ModelProvider, refused: Refusal, words: str
) -> None:
    provider.decide(lambda _: refused)
    error = await _failure(provider, "openai")
    assert words in str(error)
    assert not error.retryable
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (refusal(400, "prompt is too long: 250000 tokens > 200000 maximum", kind="invalid_request_error"), "too long"),
        (refusal(402, "no", kind="billing_error"), "out of credit"),
        (refusal(413, "no", kind="request_too_large"), "413"),
    ],
)
async def test_what_anthropic_says_in_codes_is_said_in_words(
    provider: ModelProvider, refused: Refusal, words: str
) -> None:
    provider.decide(lambda _: refused)
    error = await _failure(provider, "anthropic")
    assert words in str(error)
    assert not error.retryable


@pytest.mark.parametrize(("protocol", "finish"), [("openai", "content_filter"), ("anthropic", "refusal")])
async def test_a_content_filter_is_named_as_the_reason(provider: ModelProvider, protocol: str, finish: str) -> None:
    provider.decide(lambda _: reply(finish=finish))
    error = await _failure(provider, protocol)
    assert error.code == FailureCode.MODEL_REJECTED
    assert "content filter" in str(error)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_endpoint_that_is_down_is_named_without_its_password(provider: ModelProvider, protocol: str) -> None:
    provider.stop()
    url = f"http://ann:geheim77@127.0.0.1:{provider.port}/v1"
    variable = f"{protocol.upper()}_BASE_URL"
    error = await _failure(provider, protocol, MODEL_MAX_RETRIES="0", **{variable: url})
    assert error.code == FailureCode.MODEL_UNREACHABLE
    assert str(error) == f"The model at 127.0.0.1:{provider.port} cannot be reached (connection refused)."


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_endpoint_whose_name_is_wrong_is_named(provider: ModelProvider, protocol: str) -> None:
    variables = {f"{protocol.upper()}_BASE_URL": "http://models.invalid/v1"}
    error = await _failure(provider, protocol, MODEL_MAX_RETRIES="0", **variables)
    assert error.code == FailureCode.MODEL_UNREACHABLE
    assert str(error) == "The model at models.invalid cannot be reached (its name is not known)."


async def test_an_endpoint_that_wants_a_key_and_gets_none_says_so(provider: ModelProvider) -> None:
    provider.fail(401)
    error = await _failure(provider, "openai", OPENAI_API_KEY="")
    assert str(error) == "The model provider wants a key. Ask whoever runs this server to set OPENAI_API_KEY."


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_agent_that_goes_in_circles_is_stopped(provider: ModelProvider, protocol: str) -> None:
    def now() -> str:
        """Tell the time."""
        return "noon"

    provider.decide(lambda _: reply(call("now")))
    async with asking(provider, protocol) as asker:
        with pytest.raises(StepLimitReached) as caught:
            await asker.ask(tools=(now,), max_steps=3)
    assert caught.value.code == FailureCode.STEP_LIMIT
    assert "pydantic" not in str(caught.value)
    assert len(provider.requests) == 3


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_model_that_says_nothing_even_when_asked_again_is_given_up(
    provider: ModelProvider, protocol: str
) -> None:
    provider.decide(lambda _: reply())
    error = await _failure(provider, protocol)
    assert error.code == FailureCode.MODEL_REJECTED
    assert "no answer that can be used" in str(error)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_redirect_is_not_followed(provider: ModelProvider, protocol: str) -> None:
    with ModelProvider() as elsewhere:
        elsewhere.decide(lambda _: reply("hi"))
        provider.decide(lambda _: Refusal(307, headers={"location": f"http://127.0.0.1:{elsewhere.port}/v1/messages"}))
        await _failure(provider, protocol, MODEL_MAX_RETRIES="0")
        assert elsewhere.requests == []


async def _failure(provider: ModelProvider, protocol: str, **variables: str) -> AgentError:
    async with asking(provider, protocol, **variables) as asker:
        with pytest.raises(AgentError) as caught:
            await asker.ask(heard=Heard())
        assert isinstance(caught.value, ModelError)
        assert all(KEY[:12] not in note for note in asker.notes)
    return caught.value
