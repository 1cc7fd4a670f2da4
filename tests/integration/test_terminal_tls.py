"""The terminal client and a server's certificate."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from tests.support.terminal import TerminalClient

CATALOGUE = {"agents": [], "default_agent": "", "model": "offline", "offline": True}


class Agents(BaseHTTPRequestHandler):
    """Answers everything as `GET /api/agents` is answered before a worker has started."""

    def do_GET(self) -> None:
        body = json.dumps(CATALOGUE).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def client(authority: trustme.CA, tmp_path: Path) -> Iterator[TerminalClient]:
    """A client of a server whose certificate only `authority` vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with HTTPServer(("127.0.0.1", 0), Agents) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield TerminalClient(f"https://localhost:{server.server_port}", tmp_path / "state")
        server.shutdown()
        thread.join()


def test_a_certificate_that_nobody_vouches_for_is_refused_with_a_way_out(client: TerminalClient) -> None:
    done = client.run("agents")

    assert done.code == 4
    assert "is not trusted: name its authority with SSL_CERT_FILE, or use --insecure" in done.err


def test_an_authority_may_be_named(client: TerminalClient, authority: trustme.CA, tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))

    assert client.run("agents", SSL_CERT_FILE=str(file)).out == "No worker has started yet.\n"


def test_the_check_may_be_left_out(client: TerminalClient) -> None:
    assert client.run("agents", "--insecure").code == 0
