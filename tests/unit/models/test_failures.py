"""The table of failures: what is passed on untouched, what may be tried again, and that narrow rows come first."""

from __future__ import annotations

import pytest
from pydantic_ai import exceptions as px

from worker.agent.errors import AgentError, DelegateFailed, ModelError
from worker.contract.environment import Secret
from worker.contract.errors import FailureCode
from worker.contract.events import Failure
from worker.models.failures import _TABLE, Failures, is_transient
from worker.models.settings import ModelSettings

SETTINGS = ModelSettings(provider="openai", name="gpt-test", api_key=Secret("sk-0123456789"), timeout_seconds=9)


@pytest.fixture
def failures() -> Failures:
    return Failures(SETTINGS)


def test_errors_of_others_are_passed_on_as_they_are(failures: Failures) -> None:
    own = DelegateFailed(Failure(code=FailureCode.AGENT_ERROR, message="no"))
    for error in (KeyError("a bug in an agent"), own):
        assert failures.describe(error) is error


def test_no_row_is_hidden_by_a_wider_one_before_it() -> None:
    for place, row in enumerate(_TABLE):
        unconditional = [earlier.error for earlier in _TABLE[:place] if earlier.only_if is not is_transient]
        assert not issubclass(row.error, tuple(unconditional))


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (px.ModelTimeoutError("m", "x", phase="connect"), True),
        (px.ModelTimeoutError("m", "x", phase="pool"), True),
        (px.ModelTimeoutError("m", "x", phase="read"), False),
        (px.ModelConnectionError("m", "x", phase="read"), True),
        (px.ModelOverloadedError("m", "x"), True),
        (px.ModelServerError("m", "x"), True),
        (px.ModelHTTPError(408, "m"), True),
        (px.ModelHTTPError(409, "m"), True),
        (px.ModelHTTPError(410, "m"), False),
        (px.ModelQuotaExceededError("m", "x"), False),
        (px.ModelAuthenticationError("m", "x"), False),
        (px.ModelAPIError("m", "x"), False),
        (px.UnexpectedModelBehavior("x"), False),
        (KeyError("x"), False),
    ],
)
def test_only_what_may_pass_is_tried_again(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient


def test_a_connection_that_takes_too_long_is_told_apart_from_an_answer_that_does(failures: Failures) -> None:
    connecting = failures.describe(px.ModelTimeoutError("m", "x", phase="connect"))
    reading = failures.describe(px.ModelTimeoutError("m", "x", phase="read"))
    assert str(connecting) == "The model at api.openai.com cannot be reached (no connection in time)."
    assert str(reading) == "The model at api.openai.com did not begin to answer within 9 s."


def test_a_name_that_is_nearly_right_gets_a_hint(failures: Failures) -> None:
    error = px.ModelHTTPError.for_category(
        px.ModelNotFoundError, status_code=404, model_name="m", suggested_model_id="openai:gpt-6-luna"
    )
    assert "Perhaps openai:gpt-6-luna was meant." in str(failures.describe(error))


def test_what_the_library_adds_to_its_messages_is_left_out(failures: Failures) -> None:
    described = failures.describe(px.UnexpectedModelBehavior("odd", body='{"prompt": "private words"}'))
    assert str(described) == "The model gave no answer that can be used: odd"
    assert "http" not in str(failures.describe(px.UsageLimitExceeded("The next request would exceed")))


def test_an_error_that_no_row_knows_is_not_shown_raw(failures: Failures) -> None:
    described = failures.opened(AssertionError("sk-0123456789 in a dump of everything"), attempts=1)
    assert str(described) == "What api.openai.com sent is not an answer of a model."


def test_an_error_in_the_middle_is_an_interruption_unless_the_provider_said_no(failures: Failures) -> None:
    broken = failures.interrupted(px.ModelAPIError("m", "garbage"))
    refused = failures.interrupted(px.ModelContextWindowExceededError("m", "x"))
    ours = AgentError("own")
    assert isinstance(broken, ModelError)
    assert (broken.code, broken.retryable) == (FailureCode.MODEL_INTERRUPTED, True)
    assert refused.code == FailureCode.MODEL_REJECTED
    assert failures.interrupted(ours) is ours


def test_tries_are_counted_in_the_words_only_where_there_were_several(failures: Failures) -> None:
    error = px.ModelHTTPError(503, "m")
    assert "tried" not in str(failures.opened(error, attempts=1))
    assert str(failures.opened(error, attempts=3)).endswith("It was tried 3 times.")
