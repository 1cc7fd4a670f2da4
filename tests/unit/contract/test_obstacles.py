"""Each way in which Redis can be unusable has its words, and says whether waiting may help."""

from __future__ import annotations

import socket
import ssl

import pytest
import redis.exceptions
from kombu.exceptions import OperationalError

from worker.contract.obstacles import explain

URL = "redis://u:hushhush@host:7000/0"


class AccessRefused(Exception):
    """Called as the one of RabbitMQ's client."""


def certificate(words: str) -> ssl.SSLCertVerificationError:
    return ssl.SSLCertVerificationError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {words}")


def wrapped(cause: Exception) -> Exception:
    """As redis-py hands it on."""
    try:
        try:
            raise cause
        except Exception as error:
            raise redis.exceptions.ConnectionError(f"Error connecting to host:7000. {error}") from error
    except redis.exceptions.ConnectionError as error:
        return error


@pytest.mark.parametrize(
    ("error", "may_pass", "words"),
    [
        (wrapped(certificate("self-signed certificate")), False, "REDIS_CA_FILE"),
        (wrapped(certificate("unable to get local issuer certificate")), False, "REDIS_TLS_VERIFY=false"),
        (wrapped(certificate("Hostname mismatch, certificate is not valid for 'h'.")), False, "another name"),
        (wrapped(certificate("IP address mismatch, certificate is not valid for '::1'.")), False, "another name"),
        (wrapped(certificate("certificate has expired")), False, "does not hold today"),
        (wrapped(ssl.SSLEOFError(8, "EOF occurred in violation of protocol")), True, "while TLS begins"),
        (wrapped(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")), False, "does not speak TLS"),
        (wrapped(ssl.SSLError(1, "tlsv13 alert certificate required")), False, "ssl_certfile"),
        (redis.exceptions.InvalidResponse("Protocol error, got 21"), False, "rediss://"),
        (redis.exceptions.AuthenticationError("Authentication required."), False, "has none"),
        (redis.exceptions.AuthenticationError("HELLO must be … already authenticated"), False, "has none"),
        (redis.exceptions.AuthenticationError("invalid username-password pair"), False, "refuses the user name"),
        (redis.exceptions.NoPermissionError("no permissions to run 'info'"), False, "does not allow the user"),
        (redis.exceptions.ConnectionError("max number of clients reached"), True, "no connection left"),
        (redis.exceptions.BusyLoadingError("Redis is loading"), True, "still loading"),
        (redis.exceptions.MasterDownError("Link with MASTER is down"), True, "does not serve"),
        (redis.exceptions.ResponseError("DB index is out of range"), False, "no database"),
        (wrapped(socket.gaierror(-2, "Name or service not known")), True, "nobody knows this name"),
        (wrapped(ConnectionRefusedError(111, "Connection refused")), True, "nothing listens there"),
        (wrapped(TimeoutError("timed out")), True, "does not answer in time"),
        (redis.exceptions.TimeoutError("Timeout reading from socket"), True, "does not answer in time"),
        (redis.exceptions.ConnectionError("Connection closed by server."), True, "Connection closed by server"),
        (wrapped(OSError(113, "No route to host")), True, "No route to host"),
        (wrapped(FileNotFoundError(2, "No such file or directory")), True, "is not there"),
        (redis.exceptions.RedisError("something new"), True, "RedisError: something new"),
        (AccessRefused("ACCESS_REFUSED - Login was refused"), False, "refuses the user name"),
    ],
)  # fmt: skip
def test_an_error_is_said_in_words(error: Exception, may_pass: bool, words: str) -> None:
    found = explain(error, URL)

    assert found.words.startswith("Redis at host:7000 ")
    assert words in found.words
    assert found.may_pass == may_pass


def test_a_server_that_says_nothing_to_tls_may_speak_none() -> None:
    error = wrapped(TimeoutError("_ssl.c:989: The handshake operation timed out"))

    assert "Does it speak TLS there? If not, begin REDIS_URL with redis://." in explain(error, "rediss://host").words
    assert "TLS" not in explain(error, "redis://host").words


def test_another_server_is_named_by_its_role_and_its_setting() -> None:
    error = OperationalError("refused")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")

    found = explain(error, "amqp://u:hushhush@queue//", what="The broker", setting="BROKER_URL")

    assert found.words.startswith("The broker at queue:5672 ")
    assert "BROKER_URL" in found.words


def test_a_password_in_an_error_is_never_shown() -> None:
    found = explain(redis.exceptions.RedisError("cannot use redis://u:hushhush@host"), URL)

    assert "hushhush" not in found.words
