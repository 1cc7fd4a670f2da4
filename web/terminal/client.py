"""The server's API, as far as a terminal needs it. Every call raises `Unreachable` or `Refused`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from web.terminal.errors import Refused, Unreachable
from web.terminal.session import CookieAuth, CookieFile, TokenAuth
from web.terminal.settings import Settings
from worker.contract.catalogue import Catalogue

T = TypeVar("T")

#: A request that is answered at once; the event stream has its own patience.
_ANSWER_SECONDS = 20.0
_CONNECT_SECONDS = 10.0
#: The server says something every 15 s; a link without a word for so long is dead (docs/protocol.md).
_SILENCE_SECONDS = 50.0
_NO_CONTENT = 204
#: The header `Date` has whole seconds and takes its time: less is no difference between two clocks.
_SAME_TIME_SECONDS = 2.0


class RunWish(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of `POST /api/runs`."""

    message: str
    #: The same at every try, so that they make one run.
    idempotency_key: str
    agent: str | None = None
    thread_id: str | None = None
    when_busy: str | None = None


class Started(msgspec.Struct, frozen=True, kw_only=True):
    run_id: str
    thread_id: str
    #: How many runs of the thread go first.
    ahead: int = 0


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    state: str


class Stopping(msgspec.Struct, frozen=True, kw_only=True):
    state: str
    stopping: bool = False


class ApprovalInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call that waits for a person, exactly as it would run."""

    call_id: str
    tool_name: str
    arguments: dict[str, Any]
    arguments_hash: str
    expires_at: int
    #: None while nobody has decided.
    decision: str | None = None


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    decision: str


class _Error(msgspec.Struct, frozen=True):
    code: str
    message: str


class _ErrorBody(msgspec.Struct, frozen=True):
    error: _Error


class Client:
    """Talks to one server as one user. Use it with `async with`.

    Args:
        on_warning: Told what the person should know of and nothing can be done about.
        transport: In place of the network.
    """

    def __init__(
        self,
        settings: Settings,
        on_warning: Callable[[str], None],
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._server = settings.server
        self._cookies = CookieFile(settings.state_dir, settings.server)
        self._auth: TokenAuth | CookieAuth
        if settings.token:
            self._auth = TokenAuth(settings.token)
        else:
            self._auth = CookieAuth(
                self._cookies, lambda reason: on_warning(f"Your runs are seen from this command only: {reason}")
            )
        self._http = httpx2.AsyncClient(
            base_url=settings.server,
            auth=self._auth,
            verify=settings.verify,
            transport=transport,
            timeout=httpx2.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            headers={"Accept": "application/json", "User-Agent": "outloud-terminal"},
        )
        self._clock_offset = 0.0

    async def __aenter__(self) -> Client:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    def server_time(self) -> float:
        """Unix seconds by the server's clock, as far as that is known."""
        return time.time() + self._clock_offset

    async def ensure_user(self) -> None:
        """Become an anonymous user, unless this is somebody already.

        A request without a cookie is a user of its own: two at one time, or a lost answer, would be two users.
        """
        if isinstance(self._auth, TokenAuth) or self._auth.has_cookie:
            return
        async with self._cookies.locked():
            self._auth.reread()
            if not self._auth.has_cookie:
                await self._call("GET", "/api/session", _Anything)

    async def start_run(self, wish: RunWish) -> Started:
        """Ask; a repeat with the same key answers with the same run."""
        return await self._call("POST", "/api/runs", Started, wish)

    async def run(self, run_id: str) -> RunInfo:
        return await self._call("GET", f"/api/runs/{_part(run_id)}", RunInfo)

    async def cancel(self, run_id: str) -> Stopping:
        return await self._call("POST", f"/api/runs/{_part(run_id)}/cancel", Stopping)

    async def agents(self) -> Catalogue:
        return await self._call("GET", "/api/agents", Catalogue)

    async def approval(self, run_id: str, call_id: str) -> ApprovalInfo:
        return await self._call("GET", _approval(run_id, call_id), ApprovalInfo)

    async def decide(self, run_id: str, approval: ApprovalInfo, decision: Literal["approved", "denied"]) -> Decided:
        """Send a decision on exactly what `approval` shows."""
        wish = {"decision": decision, "arguments_hash": approval.arguments_hash}
        return await self._call("POST", _approval(run_id, approval.call_id), Decided, wish)

    @contextlib.asynccontextmanager
    async def events(self, run_id: str, cursor: str) -> AsyncIterator[AsyncIterator[httpx2.ServerSentEvent] | None]:
        """Open the run's event stream behind a cursor; gives None when there is nothing more to come."""
        headers = {"Last-Event-ID": cursor} if cursor != "0" else {}
        timeout = httpx2.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
        with self._reworded():
            async with self._http.sse(f"/api/runs/{_part(run_id)}/events", headers=headers, timeout=timeout) as source:
                response = source.response
                self._learn_time(response)
                if not response.is_success:
                    await response.aread()
                    raise _refusal(response)
                yield None if response.status_code == _NO_CONTENT else aiter(source)

    async def _call(self, method: str, path: str, answer: type[T], body: Any = None) -> T:
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        with self._reworded():
            response = await self._http.request(method, path, content=content, headers=headers)
        self._learn_time(response)
        if not response.is_success:
            raise _refusal(response)
        try:
            return msgspec.json.decode(response.content, type=answer)
        except msgspec.DecodeError as error:
            raise Unreachable(f"{self._server} does not answer as outloud does.", is_final=True) from error

    @contextlib.contextmanager
    def _reworded(self) -> Iterator[None]:
        try:
            yield
        except httpx2.SSEError as error:
            raise Unreachable(f"{self._server} does not answer as outloud does: {error}", is_final=True) from error
        except httpx2.TransportError as error:
            raise _unreachable(self._server, error) from error

    def _learn_time(self, response: httpx2.Response) -> None:
        with contextlib.suppress(KeyError, ValueError):
            offset = parsedate_to_datetime(response.headers["Date"]).timestamp() - time.time()
            self._clock_offset = offset if abs(offset) > _SAME_TIME_SECONDS else 0.0


class _Anything(msgspec.Struct, frozen=True):
    """An answer of which nothing is needed."""


def _part(text: str) -> str:
    return quote(text, safe="")


def _approval(run_id: str, call_id: str) -> str:
    return f"/api/runs/{_part(run_id)}/approvals/{_part(call_id)}"


def _refusal(response: httpx2.Response) -> Refused:
    if response.is_redirect:
        target = response.headers.get("Location", "another address")
        return Refused(response.status_code, "redirect", f"The server sends us on to {target}: use that address.")
    try:
        code, message = msgspec.structs.astuple(msgspec.json.decode(response.content, type=_ErrorBody).error)
    except msgspec.DecodeError:
        code, message = "unexpected", f"The server answered with status {response.status_code}."
    return Refused(response.status_code, code, message, retry_after=_seconds(response.headers.get("Retry-After", "")))


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None


def _unreachable(server: str, error: httpx2.TransportError) -> Unreachable:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Unreachable(
            f"The certificate of {server} is not trusted: name its authority with SSL_CERT_FILE, or use --insecure.",
            is_final=True,
            was_sent=False,
        )
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return Unreachable(f"{server} cannot be reached", was_sent=False)
    return Unreachable("Connection lost")
