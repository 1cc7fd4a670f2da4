"""Puts the errors of the model's library into words for the person who watches. A table; no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic_ai import exceptions as px

from worker.agent.errors import AgentError, ModelError, StepLimitReached
from worker.agent.redaction import Redactor
from worker.contract.errors import FailureCode
from worker.models.reasons import connection_reason, printable, provider_reason
from worker.models.settings import ModelSettings

#: Asking again a moment later may help, says the status alone.
_TRANSIENT_STATUS = frozenset({408, 409, 429})


@dataclass(frozen=True)
class _Row:
    """Errors of the class `error` get `code` and the words that `words` makes of them."""

    error: type[Exception]
    code: FailureCode
    words: Callable[[Failures, Any], str]
    #: Whether the person may do better by asking again.
    retryable: bool = False
    only_if: Callable[[Exception], bool] = lambda _: True


class Failures:
    """Describes the errors of one model; `address` names it without a password."""

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self.redact = Redactor(settings.secrets()).text
        self.address = _address(settings)

    def describe(self, error: Exception) -> Exception:
        """Turn an error of the model's library into an `AgentError`; give back any other error as it is."""
        if isinstance(error, px.UsageLimitExceeded):
            return StepLimitReached("The agent was stopped: it asked its model more often than it may.")
        for row in _TABLE:
            if isinstance(error, row.error) and row.only_if(error):
                return ModelError(row.code, self.redact(row.words(self, error)), retryable=row.retryable)
        return error

    def opened(self, error: Exception, *, attempts: int) -> AgentError:
        """Describe an error that came before anything of an answer, after this many attempts."""
        described = self.describe(error)
        if not isinstance(described, AgentError):
            return ModelError(FailureCode.MODEL_REJECTED, _unreadable(self, error), retryable=False)
        if attempts > 1 and isinstance(described, ModelError) and is_transient(error):
            words = f"{described} It was tried {attempts} times."
            return ModelError(described.code, words, retryable=described.retryable)
        return described

    def interrupted(self, error: Exception) -> AgentError:
        """Describe an error that came when a part of the answer had been seen."""
        if isinstance(error, AgentError):
            return error
        if isinstance(error, px.ModelRequestRejectedError | px.ModelQuotaExceededError | px.ContentFilterError):
            return self.opened(error, attempts=1)
        if isinstance(error, px.ModelTimeoutError):
            words = f"The model fell silent in the middle of its answer, for more than {self.patience}."
        else:
            words = "The connection to the model broke in the middle of its answer."
        return ModelError(FailureCode.MODEL_INTERRUPTED, f"{words} Ask again to get a whole one.", retryable=True)

    def short(self, error: Exception) -> str:
        """A transient error in a few words, for the note that it will be tried again."""
        status = getattr(error, "status_code", None)
        if isinstance(error, px.ModelConnectionError):
            return f"The model cannot be reached ({_why_unreachable(self, error)})."
        if status is None or status == 429 or isinstance(error, px.ModelUnavailableError):
            return f"The model is busy{f' ({status})' if status else ''}."
        return f"The model provider has a problem ({status})."

    @property
    def patience(self) -> str:
        return f"{self.settings.timeout_seconds:g} s"


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed a moment later, and was not acted on before.

    An answer that did not come in time is none of these: its request was sent, and the wait would be as long again.
    """
    if isinstance(error, px.ModelTimeoutError):
        return error.phase in ("connect", "pool")
    if isinstance(error, px.ModelQuotaExceededError | px.ModelRequestRejectedError):
        return False
    if isinstance(error, px.ModelConnectionError | px.ModelRateLimitError | px.ModelUnavailableError):
        return True
    return isinstance(error, px.ModelServerError) or (
        isinstance(error, px.ModelHTTPError) and (error.status_code in _TRANSIENT_STATUS or error.status_code >= 500)
    )


def _refused_key(failures: Failures, _: px.ModelAPIError) -> str:
    settings = failures.settings
    if not settings.api_key:
        return f"The model provider wants a key. Ask whoever runs this server to set {settings.key_variable}."
    return f"The model provider refused the key. Ask whoever runs this server to check {settings.key_variable}."


def _not_found(failures: Failures, error: px.ModelAPIError) -> str:
    settings = failures.settings
    guess = getattr(error, "suggested_model_id", None)
    meant = f" Perhaps {guess} was meant." if guess else ""
    check = f"MODEL and {settings.url_variable}" if settings.base_url else "MODEL"
    return (
        f"The model provider has no model named {settings.name[:100]!r}.{meant} "
        f"Ask whoever runs this server to check {check}."
    )


def _no_credit(failures: Failures, error: px.ModelAPIError) -> str:
    return (
        "The account with the model provider is out of credit or has reached its limit. "
        f"Ask whoever runs this server to look at the account.{_said(failures, error)}"
    )


def _too_long(failures: Failures, error: px.ModelAPIError) -> str:
    return "The conversation is too long for this model. Start a new one, or ask for less at once."


def _rejected(failures: Failures, error: px.ModelAPIError) -> str:
    return f"The model provider rejected the request.{_said(failures, error)}"


def _busy(failures: Failures, error: px.ModelAPIError) -> str:
    status = getattr(error, "status_code", None)
    return f"The model is too busy to answer{f' ({status})' if status else ''}. Ask again in a while."


def _broken(failures: Failures, error: px.ModelAPIError) -> str:
    status = getattr(error, "status_code", None)
    if status is not None and status < 500 and status not in _TRANSIENT_STATUS:
        return f"The model provider answered with status {status}.{_said(failures, error)}"
    return f"The model provider has a problem of its own{f' ({status})' if status else ''}. Ask again in a while."


def _unreachable(failures: Failures, error: px.ModelConnectionError) -> str:
    if isinstance(error, px.ModelTimeoutError) and error.phase not in ("connect", "pool"):
        return f"The model at {failures.address} did not begin to answer within {failures.patience}."
    return f"The model at {failures.address} cannot be reached ({_why_unreachable(failures, error)})."


def _why_unreachable(failures: Failures, error: px.ModelConnectionError) -> str:
    if isinstance(error, px.ModelTimeoutError):
        return "no connection in time" if error.phase in ("connect", "pool") else "no answer in time"
    return connection_reason(error)


def _filtered(failures: Failures, error: px.ContentFilterError) -> str:
    return "The model provider's content filter stopped the answer."


def _cut_off(failures: Failures, error: px.OutputTokenLimitExceeded) -> str:
    return "The model's answer grew longer than the provider allows. Ask for less at once."


def _no_use(failures: Failures, error: px.UnexpectedModelBehavior) -> str:
    # Not its `str`: that ends with the whole body.
    return f"The model gave no answer that can be used: {printable(error.message, failures.redact)}"


def _unreadable(failures: Failures, error: Exception) -> str:
    if isinstance(error, px.ModelAPIError) and (said := _said(failures, error)):
        return f"The model provider reported an error.{said}"
    where = f" Is {failures.settings.url_variable} the address of such an API?" if failures.settings.base_url else ""
    return f"What {failures.address} sent is not an answer of a model.{where}"


def _misused(failures: Failures, error: px.UserError) -> str:
    return f"The request for the model could not be made: {printable(error.message, failures.redact)}"


def _said(failures: Failures, error: px.ModelAPIError) -> str:
    reason = provider_reason(error.body)
    return f" It says: {printable(reason, failures.redact)}" if reason else ""


#: The first row that fits counts, so the narrower class stands before the wider one.
_TABLE = (
    _Row(px.ModelAuthenticationError, FailureCode.MODEL_AUTH, _refused_key),
    _Row(px.ModelNotFoundError, FailureCode.MODEL_NOT_FOUND, _not_found),
    _Row(px.ModelContextWindowExceededError, FailureCode.MODEL_REJECTED, _too_long),
    _Row(px.ModelRequestRejectedError, FailureCode.MODEL_REJECTED, _rejected),
    _Row(px.ModelQuotaExceededError, FailureCode.MODEL_REJECTED, _no_credit),
    _Row(px.ModelRateLimitError, FailureCode.MODEL_OVERLOADED, _busy, retryable=True),
    _Row(px.ModelUnavailableError, FailureCode.MODEL_OVERLOADED, _busy, retryable=True),
    _Row(px.ModelConnectionError, FailureCode.MODEL_UNREACHABLE, _unreachable, retryable=True),
    _Row(px.ModelServerError, FailureCode.MODEL_OVERLOADED, _broken, retryable=True),
    _Row(px.ModelHTTPError, FailureCode.MODEL_OVERLOADED, _broken, retryable=True, only_if=is_transient),
    _Row(px.ModelHTTPError, FailureCode.MODEL_REJECTED, _broken),
    _Row(px.ModelAPIError, FailureCode.MODEL_REJECTED, _unreadable),
    _Row(px.ContentFilterError, FailureCode.MODEL_REJECTED, _filtered),
    _Row(px.OutputTokenLimitExceeded, FailureCode.MODEL_REJECTED, _cut_off),
    _Row(px.UnexpectedModelBehavior, FailureCode.MODEL_REJECTED, _no_use),
    _Row(px.UserError, FailureCode.AGENT_ERROR, _misused),
)


def _address(settings: ModelSettings) -> str:
    parts = urlsplit(settings.base_url.reveal())
    if not parts.hostname:
        return f"api.{settings.provider}.com"
    return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
