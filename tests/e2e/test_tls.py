"""The whole system on a Redis behind TLS: every client of web and worker, Celery's too, over `rediss://`."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SystemFactory
from tests.support.client import Client, assert_whole
from tests.support.redis import RedisServer, connect
from tests.support.tls import Authority, tls_in_front


@pytest.mark.parametrize(
    ("show", "settings"),
    [
        pytest.param(
            lambda authority: authority.context("127.0.0.1"), {"REDIS_CA_FILE": "authority.pem"}, id="private-authority"
        ),
        pytest.param(lambda authority: authority.self_signed(), {"REDIS_TLS_VERIFY": "false"}, id="self-signed"),
    ],
)
def test_a_run_goes_through_a_redis_behind_tls(
    start_system: SystemFactory,
    redis_server: RedisServer,
    redis_url: str,
    tmp_path: Path,
    show: Callable[[Authority], ssl.SSLContext],
    settings: dict[str, str],
) -> None:
    authority = Authority(tmp_path)
    files = {name: str(tmp_path / value) for name, value in settings.items() if name.endswith("_FILE")}
    with tls_in_front(redis_server.port, show(authority)) as port:
        url = f"rediss://127.0.0.1:{port}/5"
        system = start_system(**{"AGENTS": "tests.support.agents", **settings, **files, "REDIS_URL": url})
        client = Client(system.url)
        events = client.follow(client.post_run("go", agent="quick")["run_id"])
        client.close()
        # It was this server that the run went through, and Celery's message as well.
        with connect(f"{redis_server.url.rpartition('/')[0]}/5") as plain:
            assert plain.exists("workers")
            assert plain.keys("_kombu.binding.*")
            plain.flushdb()
        system.stop()

    assert_whole(events)
    assert events[-1]["data"]["result"] == "It is 3."
    assert "nsecure" not in system.worker.output
