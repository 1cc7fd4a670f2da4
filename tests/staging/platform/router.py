"""The router: HAProxy, as strict as those of common platforms. It sees web processes come and go by their health alone.

Slots are places for web processes: a deploy brings new ones up in free slots, and nobody tells the router. It asks
`/healthz`, not `/readyz`: without a worker or Redis no process is ready, and a person shall then see our words and not
the router's error page.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.staging.platform.certificates import Certificates
from tests.staging.platform.errors import PartMissing
from tests.staging.platform.parts import ROUTER
from tests.staging.platform.process import PlatformProcess
from tests.support.waiting import POLL_SECONDS, scaled
from worker.local.ports import is_free

#: Silence on an open connection (WebSocket) after which it is cut, as Heroku's router has it.
IDLE_SECONDS = 55
#: Silence before the first byte of an answer, and between two pieces of one.
FIRST_BYTE_SECONDS = 30
_START_SECONDS = 10.0

#: One line a request: slot, status, milliseconds to the first byte, what was asked.
_LOG_FORMAT = "request %s %ST %Tr %HM %HP"
_LINE = re.compile(r"^request slot(\d+) (\d+) \S+ \S+ (\S+)", re.MULTILINE)

_CONFIGURATION = """\
global
    log stdout format raw local0 info
    maxconn 4000
    ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
    mode http
    log global
    log-format "{log_format}"
    # Each request goes its own way, also those of one browser.
    option http-server-close
    timeout connect 2s
    timeout http-request 10s
    timeout client {idle}s
    timeout server {first_byte}s
    timeout tunnel {idle}s
    # A slot whose process has just ended refuses; the next one takes the request.
    retries 4
    option redispatch 1
    retry-on conn-failure

frontend https
    bind 127.0.0.1:{port} ssl crt {certificate} alpn h2,http/1.1
    # Only what this router has seen itself reaches the application.
    http-request del-header Forwarded
    http-request del-header X-Forwarded- -m beg
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto https
    http-request set-header X-Forwarded-Host %[req.hdr(Host)]
    http-request set-header X-Forwarded-Port {port}
    default_backend web

backend web
    balance roundrobin
    option httpchk GET /healthz
    default-server check inter 500ms fastinter 200ms rise 1 fall 2
{servers}
"""


class Router:
    """HAProxy in front of the slots' ports."""

    def __init__(
        self, program: Path, directory: Path, certificates: Certificates, *, port: int, slots: Sequence[int], log: Path
    ) -> None:
        self._program = program
        self._file = directory / "haproxy.cfg"
        self._log = log
        self._port = port
        self._text = _CONFIGURATION.format(
            log_format=_LOG_FORMAT,
            idle=IDLE_SECONDS,
            first_byte=FIRST_BYTE_SECONDS,
            port=port,
            certificate=certificates.router,
            servers="\n".join(f"    server slot{n} 127.0.0.1:{slot}" for n, slot in enumerate(slots, 1)),
        )
        self.process: PlatformProcess | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self._port}"

    def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            PartMissing: it did not come up.
        """
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(self._text)
        checked = subprocess.run(
            [self._program, "-c", "-f", self._file], capture_output=True, text=True, timeout=30, check=False
        )
        if checked.returncode:
            raise PartMissing(ROUTER, f"HAProxy refuses its configuration.\n{checked.stderr}")
        command = [str(self._program), "-db", "-f", str(self._file)]
        self.process = PlatformProcess(ROUTER, command, variables={}, directory=self._file.parent, log=self._log)
        end = time.monotonic() + scaled(_START_SECONDS)
        while is_free(self._port):
            if not self.process.is_running or time.monotonic() > end:
                raise PartMissing(ROUTER, f"nothing listens at {self.url}.\n{self.process.tail()}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(5)

    def answers_by_slot(self, path: str = "") -> Counter[int]:
        """How many requests each slot (counted from 1) has answered so far, by the access log.

        Args:
            path: count those for this path only. A WebSocket is there once it is closed.
        """
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return Counter(
            int(slot) for slot, status, asked in _LINE.findall(text) if status != "503" and path in ("", asked)
        )
