"""One address that every client takes, or words that say what is wrong with it and never show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis.asyncio.connection
import redis.connection
from kombu.connection import Connection

from tests.support.tls import Authority
from worker.contract.environment import Environment
from worker.contract.redis_address import broker_form, normalise, place_of, secrets_of


def good(text: str, *, verify: bool | None = None, ca_file: str = "") -> str:
    url, problems = normalise(text, name="REDIS_URL", verify=verify, ca_file=ca_file)
    assert problems == []
    return url


def wrong(text: str, *, verify: bool | None = None, ca_file: str = "") -> str:
    url, problems = normalise(text, name="REDIS_URL", verify=verify, ca_file=ca_file)
    assert url == ""
    return "\n".join(problems)


@pytest.mark.parametrize(
    ("text", "verify", "ca_file", "expected"),
    [
        ("redis://localhost:6379/0", None, "", "redis://localhost:6379/0"),
        ("redis://localhost:6379/0", False, "/ca.pem", "redis://localhost:6379/0"),
        ("redis://u:p%40ss@host/3", None, "", "redis://u:p%40ss@host/3"),
        ("redis://host", None, "", "redis://host"),
        ("redis://host?db=4", None, "", "redis://host/4"),
        ("redis://host/1?db=4", None, "", "redis://host/4"),
        ("unix:///run/redis.sock?db=2", None, "", "unix:///run/redis.sock?db=2"),
        ("rediss://:pw@host:7000/0", None, "", "rediss://:pw@host:7000/0?ssl_cert_reqs=required"),
        ("rediss://host", True, "", "rediss://host?ssl_cert_reqs=required"),
        ("rediss://host", False, "", "rediss://host?ssl_cert_reqs=none"),
        ("rediss://host", None, "/a b.pem", "rediss://host?ssl_cert_reqs=required&ssl_ca_certs=/a+b.pem"),
        # What people write for other clients.
        ("rediss://host?ssl_cert_reqs=none", None, "", "rediss://host?ssl_cert_reqs=none"),
        ("rediss://host?ssl_cert_reqs=CERT_NONE", None, "", "rediss://host?ssl_cert_reqs=none"),
        ("rediss://host?ssl_cert_reqs=CERT_REQUIRED", True, "", "rediss://host?ssl_cert_reqs=required"),
        ("rediss://host?ssl_cert_reqs=optional", None, "", "rediss://host?ssl_cert_reqs=required"),
        (
            "rediss://host?ssl_check_hostname=No",
            None,
            "",
            "rediss://host?ssl_check_hostname=false&ssl_cert_reqs=required",
        ),
        ("rediss://h?ssl_ca_certs=/x.pem", None, "/x.pem", "rediss://h?ssl_ca_certs=/x.pem&ssl_cert_reqs=required"),
    ],
)
def test_an_address_is_completed_and_a_second_time_changes_nothing(
    text: str, verify: bool | None, ca_file: str, expected: str
) -> None:
    url = good(text, verify=verify, ca_file=ca_file)

    assert url == expected
    assert good(url, verify=verify, ca_file=ca_file) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://hush@host", "does not begin with redis://"),
        ("redis://:hush#hush@host", "cannot be read"),
        ("redis://:hush@host:port/0", "cannot be read"),
        ("redis://:hush@host/0#x", "cannot be read"),
        ("redis://:hush@host:70000", "cannot be read"),
        ("redis://:hush@ho st", "cannot be read"),
        ("redis://:hush@host/users", "not the number of a database"),
        ("unix://", "names no socket"),
        ("redis://:hush@host?ssl_cert_reqs=none", "for TLS it begins with rediss://"),
        ("rediss://:hush@host?socket_timeout=3", "socket_timeout behind the ?"),
        ("rediss://:hush@host?ssl_cert_reqs=perhaps", "expected required or none"),
        ("rediss://:hush@host?ssl_check_hostname=perhaps", "expected true or false"),
    ],
)
def test_an_address_that_not_every_client_takes_is_named_without_being_shown(text: str, words: str) -> None:
    found = wrong(text)

    assert "REDIS_URL" in found
    assert words in found
    assert "hush" not in found


def test_an_address_and_settings_that_contradict_each_other_are_named() -> None:
    assert "REDIS_TLS_VERIFY the opposite" in wrong("rediss://host?ssl_cert_reqs=none", verify=True)
    assert "REDIS_TLS_VERIFY the opposite" in wrong("rediss://host?ssl_cert_reqs=required", verify=False)
    assert "REDIS_CA_FILE names another" in wrong("rediss://host?ssl_ca_certs=/x.pem", ca_file="/y.pem")


@pytest.mark.parametrize("verify", [True, False])
def test_every_client_reads_the_same_out_of_it(verify: bool) -> None:
    url = good("rediss://u:p%40ss@host:7000/3", verify=verify, ca_file="/c/a.pem")
    word = "required" if verify else "none"

    for module in (redis.connection, redis.asyncio.connection):
        options: Any = module.parse_url(url)
        assert options["connection_class"] is module.SSLConnection
        assert (options["host"], options["port"], options["db"]) == ("host", 7000, 3)
        assert (options["username"], options["password"]) == ("u", "p@ss")
        assert (options["ssl_cert_reqs"], options["ssl_ca_certs"]) == (word, "/c/a.pem")
    broker: Any = Connection(url)  # type: ignore[no-untyped-call]
    assert (broker.hostname, broker.port, broker.virtual_host, broker.password) == ("host", 7000, "3", "p@ss")
    assert broker.ssl["ssl_cert_reqs"].name == f"CERT_{word.upper()}"
    assert broker.ssl["ssl_ca_certs"] == "/c/a.pem"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://u:hush@host:7000/3", "host:7000"),
        ("rediss://[::1]/0", "[::1]:6379"),
        ("redis://", "localhost:6379"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
        ("amqp://u:hush@queue//", "queue:5672"),
    ],
)
def test_the_place_of_a_server_is_named_without_credentials(url: str, place: str) -> None:
    assert place_of(url) == place


def test_a_password_is_known_in_every_form() -> None:
    assert set(secrets_of("redis://u:p%40ss@host")) == {"p%40ss", "p@ss", "p%2540ss"}
    assert secrets_of("redis://host") == ()


def test_celery_s_form_of_a_socket_is_its_own() -> None:
    assert broker_form("unix://:pw@/run/r.sock?db=2") == "redis+socket://:pw@/run/r.sock?virtual_host=2"
    assert broker_form("rediss://host/1") == "rediss://host/1"


def test_the_file_of_an_authority_is_looked_at_with_the_settings(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    (tmp_path / "empty.pem").write_text("nothing")
    environ = {"REDIS_URL": "rediss://host"}

    env = Environment({**environ, "REDIS_CA_FILE": str(authority.ca_file)})
    assert env.redis_url().endswith(str(authority.ca_file))
    assert env.problems == []
    for file, words in (("empty.pem", "holds no certificate"), ("none.pem", "cannot be read: No such file")):
        env = Environment({**environ, "REDIS_CA_FILE": str(tmp_path / file)})
        env.redis_url()
        assert words in env.problems[0]
    env = Environment({**environ, "REDIS_TLS_VERIFY": "perhaps"})
    env.redis_url()
    assert env.problems == ["REDIS_TLS_VERIFY is 'perhaps'; expected true or false"]
