"""A receiver of webhooks on a real socket, as a team would write it: checks the signature by itself, and can refuse."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

KEY = b"twenty-four bytes or more"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
#: Part of the address that nobody else may see.
TOKEN = "token-in-the-address"


@dataclass(frozen=True)
class Delivery:
    """A request as it arrived."""

    path: str
    #: Names in lower case.
    headers: dict[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def content(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def run_id(self) -> str:
        return str(self.content["data"]["run_id"])

    def is_signed_with(self, key: bytes) -> bool:
        signed = f"{self.message_id}.{self.headers['webhook-timestamp']}.{self.body.decode()}"
        mac = base64.b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).decode()
        return self.headers["webhook-signature"] == f"v1,{mac}"


class WebhookReceiver:
    """Answers 200, after the statuses of `refuse` have been given out; 0 stands for no answer until the end."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.refusals: deque[int] = deque()
        self._end = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._os_thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._os_thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hooks?key={TOKEN}"

    def refuse(self, status: int, *, times: int = 1) -> None:
        self.refusals.extend([status] * times)

    def run_ids(self) -> list[str]:
        return [delivery.run_id for delivery in self.deliveries]

    def _take(self, delivery: Delivery) -> int:
        status = self.refusals.popleft() if self.refusals else 200
        self.deliveries.append(delivery)
        return status

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = receiver._take(Delivery(self.path, headers, body))
                if status == 0:
                    self._drip()
                    return
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _drip(self) -> None:
                """A byte now and then, so that no single read takes long."""
                try:
                    while not receiver._end.wait(0.1):
                        self.wfile.write(b"H")
                except OSError:
                    pass  # The client has had enough.

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        return Handler
