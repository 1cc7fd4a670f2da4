"""Fetching pages from a real server on this machine, which is refused unless a test allows it."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any

import pytest

from worker.crew.errors import PageRefused, PageUnavailable
from worker.crew.fetching import fetcher as fetching
from worker.crew.fetching.addresses import AddressGuard
from worker.crew.fetching.fetcher import MAX_BYTES, PageFetcher
from worker.crew.fetching.readable import readable
from worker.crew.tools.pages import fetch_page, page_tool

HTML = b"""<html><head><title>Lamps</title></head><body><nav>Home | Shop</nav><article><h1>Lamps</h1>
<p>Lamps give light, and people have used them for a very long time indeed.</p></article>
<script>alert(1)</script></body></html>"""
PAGES: Mapping[str, Any] = {
    "html": (HTML, "text/html; charset=utf-8"),
    "latin": ("Käse".encode("latin-1"), "text/plain; charset=ISO-8859-1"),
    "json": (b'{"a": 1}', "application/json"),
    "type": (b"%PDF-1.7", "application/pdf"),
    "empty": (b"<html><body></body></html>", "text/html"),
    "zipped": (gzip.compress(b"x" * 10_000_000), "text/plain", ("Content-Encoding", "gzip")),
    "large": (b"x" * (MAX_BYTES + 1), "text/plain"),
}
LOOPBACK = AddressGuard(allowed=[ip_network("127.0.0.1/32")])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers["Host"]))  # type: ignore[attr-defined]
        path, _, rest = self.path[1:].partition("/")
        if path in PAGES:
            self.answer(*PAGES[path])
        elif path == "status":
            self.answer(b"no", "text/plain", status=int(rest))
        elif path == "times":
            self.redirect(f"/times/{int(rest) - 1}" if int(rest) > 1 else "/html")
        elif path == "to":
            self.redirect(rest)
        elif path == "slow":
            time.sleep(3)
            self.answer(b"late", "text/plain")
        else:
            self.endless()

    def redirect(self, target: str) -> None:
        self.answer(b"", "text/plain", ("Location", target), status=302)

    def answer(self, body: bytes, kind: str, *headers: tuple[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def endless(self) -> None:
        """Send without end and without saying how much."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            while True:
                self.wfile.write(b"x" * 65536)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class Server(ThreadingHTTPServer):
    request_queue_size = 64

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


async def test_the_built_in_tool_refuses_this_machine(server: Server) -> None:
    for address in (
        server.url,
        f"http://localhost:{server.server_port}",
        f"http://[::ffff:127.0.0.1]:{server.server_port}",
    ):
        with pytest.raises((PageRefused, PageUnavailable)):
            await fetch_page.function(url=f"{address}/html")
    assert server.seen == []


async def test_a_page_becomes_title_and_readable_text(server: Server) -> None:
    found = await page_tool(PageFetcher(LOOPBACK)).function(url=f"{server.url}/html")
    assert found["title"] == "Lamps"
    assert "Lamps give light" in found["text"]
    assert "alert" not in found["text"]
    assert found["truncated"] is False


async def test_texts_are_read_in_their_own_encoding(server: Server) -> None:
    fetcher = PageFetcher(LOOPBACK)
    assert readable(await fetcher.fetch(f"{server.url}/latin")).text == "Käse"
    assert readable(await fetcher.fetch(f"{server.url}/json")).text == '{"a": 1}'


async def test_redirects_are_followed_but_not_for_ever(server: Server) -> None:
    fetcher = PageFetcher(LOOPBACK)
    assert (await fetcher.fetch(f"{server.url}/times/5")).url == f"{server.url}/html"
    with pytest.raises(PageUnavailable, match="more than 5 times"):
        await fetcher.fetch(f"{server.url}/times/6")


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.2/", "http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest", "file:///etc/passwd"],
)
async def test_every_step_of_a_redirect_is_checked(server: Server, target: str) -> None:
    with pytest.raises(PageRefused):
        await PageFetcher(LOOPBACK).fetch(f"{server.url}/to/{target}")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("status/404", "status 404"),
        ("status/500", "status 500"),
        ("status/302", "status 302"),
        ("type", "application/pdf; only texts"),
        ("zipped", "compressed"),
        ("large", "larger than 2,048 KiB"),
        ("endless", "larger than 2,048 KiB"),
    ],
)
async def test_what_is_no_text_of_bearable_size_is_unavailable(server: Server, path: str, message: str) -> None:
    with pytest.raises(PageUnavailable, match=message):
        await PageFetcher(LOOPBACK).fetch(f"{server.url}/{path}")


async def test_a_page_without_text_is_said_to_have_none(server: Server) -> None:
    page = await PageFetcher(LOOPBACK).fetch(f"{server.url}/empty")
    with pytest.raises(PageUnavailable, match="no readable text"):
        readable(page)


async def test_a_slow_page_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "TOTAL_SECONDS", 0.3)
    started = time.monotonic()
    with pytest.raises(PageUnavailable, match="longer than"):
        await PageFetcher(LOOPBACK).fetch(f"{server.url}/slow")
    assert time.monotonic() - started < 2


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(PageUnavailable, match="cannot be had"):
        await PageFetcher(LOOPBACK).fetch("http://127.0.0.1:1/")


async def test_the_connection_goes_to_the_address_that_was_checked(server: Server) -> None:
    """A name that leads elsewhere the second time gains nothing, since it is asked only once."""
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    asked = []

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    guard = AddressGuard(allowed=[ip_network("127.0.0.1/32")], resolve=resolve)
    page = await PageFetcher(guard).fetch(f"http://shop.example:{server.server_port}/html")
    assert page.body == HTML
    assert asked == ["shop.example"]
    assert server.seen == [("/html", f"shop.example:{server.server_port}")]
    with pytest.raises(PageRefused, match=r"shop\.example leads to 127\.0\.0\.2"):
        await PageFetcher(guard).fetch(f"http://shop.example:{server.server_port}/html")


async def test_proxies_of_the_environment_are_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert (await PageFetcher(LOOPBACK).fetch(f"{server.url}/html")).body == HTML


async def test_many_pages_are_fetched_at_once(server: Server) -> None:
    fetcher = PageFetcher(LOOPBACK)
    pages = await asyncio.gather(*(fetcher.fetch(f"{server.url}/html") for _ in range(20)))
    assert all(page.body == HTML for page in pages)
