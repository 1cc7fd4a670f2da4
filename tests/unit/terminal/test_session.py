"""Who asks, and how that is kept from one command to the next."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import httpx2
import pytest

from web.terminal.client import Client, RunWish
from web.terminal.session import COOKIE, CookieFile
from web.terminal.settings import Settings

SERVER = "https://outloud.example"


@pytest.fixture
def keeper(tmp_path: Path) -> CookieFile:
    return CookieFile(tmp_path / "state" / "outloud", SERVER)


class Server:
    """Hands out a cookie to whoever has none."""

    def __init__(self) -> None:
        self.users = 0
        self.headers: list[httpx2.Headers] = []

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.headers.append(request.headers)
        # Others get their turn, as they would with a network between.
        await asyncio.sleep(0.01)
        answer = httpx2.Response(200, json={"run_id": "run_1", "thread_id": "thr_1", "user_id": "usr_1"})
        if "Cookie" not in request.headers:
            self.users += 1
            answer.headers["Set-Cookie"] = f"{COOKIE}=user-{self.users}; Path=/; HttpOnly; Secure; SameSite=Lax"
        return answer


async def ask(server: Server, folder: Path, **environ: str) -> list[str]:
    """Ask once, as a command does; answers what it warned of."""
    warnings: list[str] = []
    settings = Settings.from_env({"XDG_STATE_HOME": str(folder), "OUTLOUD_SERVER": SERVER, **environ})
    async with Client(settings, warnings.append, transport=httpx2.MockTransport(server)) as client:
        await client.ensure_user()
        await client.start_run(RunWish(message="x", idempotency_key="k"))
    return warnings


async def test_the_next_command_is_the_same_user(tmp_path: Path) -> None:
    server = Server()
    await ask(server, tmp_path)
    await ask(server, tmp_path)

    assert server.users == 1
    assert [headers.get("Cookie") for headers in server.headers] == [None, *[f"{COOKIE}=user-1"] * 2]


async def test_commands_that_start_together_are_one_user(tmp_path: Path) -> None:
    server = Server()
    await asyncio.gather(*(ask(server, tmp_path) for _ in range(5)))

    assert server.users == 1


async def test_a_new_cookie_takes_the_old_one_s_place(tmp_path: Path, keeper: CookieFile) -> None:
    keeper.write("old")

    def server(request: httpx2.Request) -> httpx2.Response:
        headers = {"Set-Cookie": f"{COOKIE}=new"}
        return httpx2.Response(200, headers=headers, json={"run_id": "r", "thread_id": "t"})

    await ask(server, tmp_path / "state")  # type: ignore[arg-type]

    assert keeper.read() == "new"


async def test_a_token_is_sent_and_no_cookie_is_kept(tmp_path: Path) -> None:
    server = Server()
    await ask(server, tmp_path, OUTLOUD_TOKEN="secret")

    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert CookieFile(tmp_path / "outloud", SERVER).read() == ""


async def test_where_nothing_can_be_kept_it_works_once_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "outloud").write_text("a file where a folder should be")

    [warning] = await ask(Server(), tmp_path)

    assert "Your runs are seen from this command only" in warning


async def test_who_asks_as_nobody_leaves_the_user_alone_that_another_command_has_become(
    tmp_path: Path, keeper: CookieFile
) -> None:
    def server(request: httpx2.Request) -> httpx2.Response:
        keeper.write("other")
        return httpx2.Response(200, headers={"Set-Cookie": f"{COOKIE}=mine"}, json={"state": "queued"})

    settings = Settings.from_env({"XDG_STATE_HOME": str(tmp_path / "state"), "OUTLOUD_SERVER": SERVER})
    async with Client(settings, print, transport=httpx2.MockTransport(server)) as client:
        await client.run("run_1")

    assert keeper.read() == "other"


def test_only_the_owner_may_read_the_cookie(keeper: CookieFile) -> None:
    keeper.write("value")

    assert stat.S_IMODE(keeper.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keeper.path.parent.stat().st_mode) == 0o700
    assert keeper.read() == "value"
    assert list(keeper.path.parent.iterdir()) == [keeper.path]


@pytest.mark.parametrize("content", [b"", b"two words", b"a;b", b"\xff\xfe", b"x" * 5_000, b"a\r\nHost: b"])
def test_a_file_that_was_damaged_is_no_cookie(keeper: CookieFile, content: bytes) -> None:
    keeper.write("x")
    keeper.path.write_bytes(content)

    assert keeper.read() == ""


def test_each_server_has_a_file_of_its_own(tmp_path: Path) -> None:
    servers = ["http://a:1", "https://a:1", "http://a:2", "http://[::1]:1", "http://a:1/sub"]
    paths = {CookieFile(tmp_path, server).path for server in servers}

    assert len(paths) == len(servers)
