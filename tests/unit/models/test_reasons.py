"""What of a provider's words and of an operating system's error a person gets to read."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Any

import pytest

from worker.models.reasons import connection_reason, printable, provider_reason


def same(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"message": "no such model", "type": "x"}, "no such model"),
        ({"error": {"message": "no such model"}}, "no such model"),
        ({"type": "error", "error": {"type": "x", "message": "no such model"}}, "no such model"),
        ({"error": "model not loaded"}, "model not loaded"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"error": {"message": {"odd": 1}}}, ""),
        ({"message": None}, ""),
        ("<html>payload</html>", ""),
        (None, ""),
        ([], ""),
    ],
)
def test_the_reason_is_found_in_every_known_form(body: Any, reason: str) -> None:
    assert provider_reason(body) == reason


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key sk-abcdef123456 is wrong", "key ••• is wrong"),
        ("key sk-proj-****cdef is wrong", "key ••• is wrong"),
        ("header Authorization: Bearer abc.def", "header Authorization: Bearer •••"),
        ("at http://ann:pass@host/v1", "at http://•••@host/v1"),
        ("a\n  long\ttext", "a long text"),
        ("risk-averse and task-based", "risk-averse and task-based"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, shown: str) -> None:
    assert printable(text, same) == shown


def test_a_secret_at_the_cut_leaves_no_half_behind() -> None:
    secret = "hidden-word-of-the-house"
    shown = printable("x" * 290 + secret + "y" * 1000, lambda text: text.replace(secret, "•••"))
    assert "hidden" not in shown
    assert len(shown) == 301


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "connection refused"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "the connection was reset"),
        (socket.gaierror(-2, "Name or service not known"), "its name is not known"),
        (ssl.SSLCertVerificationError("self-signed"), "its certificate is not trusted"),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), "it does not speak https"),
        (OSError(errno.EHOSTUNREACH, "no route"), "no way to that machine"),
        (ValueError("anything"), "the connection was closed without an answer"),
        (ExceptionGroup("two addresses", [OSError(errno.ENETUNREACH, "no")]), "no network"),
    ],
)
def test_the_reason_is_found_below_any_number_of_errors(cause: Exception, reason: str) -> None:
    outer, outermost = OSError("All connection attempts failed"), RuntimeError("Connection error.")
    outer.__cause__, outermost.__cause__ = cause, outer
    assert connection_reason(outermost) == reason


def test_errors_that_name_each_other_as_cause_are_no_trap() -> None:
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert connection_reason(first) == "the connection was closed without an answer"
