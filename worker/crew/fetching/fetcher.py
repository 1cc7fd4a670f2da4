"""PageFetcher: gets one page over HTTP. Every connection goes to an address that was checked a moment before.

Resolving, checking and connecting are one step below the HTTP library (its network backend), so a name that answers
differently the second time (DNS rebinding) gains nothing: there is no second time. TLS still verifies the name, since
the library does that above this step. Proxies from the environment are not used: they would resolve
names by themselves.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import httpcore2
import httpx2

from worker.crew.errors import PageRefused, PageUnavailable
from worker.crew.fetching.addresses import AddressGuard

MAX_REDIRECTS = 5
MAX_BYTES = 2 * 1024 * 1024
#: For everything together: names, redirects, the whole body.
TOTAL_SECONDS = 20.0
#: For one step, such as a connect or a read.
STEP_SECONDS = 8.0

CONTENT_TYPES = frozenset({"text/html", "application/xhtml+xml", "text/plain", "text/markdown", "application/json"})

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS: Mapping[bytes | str, bytes | str] = {
    "User-Agent": "outloud/0.1 (fetch_page)",
    "Accept": ", ".join(sorted(CONTENT_TYPES)),
    # Plain bytes, so that the size limit means what it says.
    "Accept-Encoding": "identity",
}
_NETWORK_ERRORS = (
    httpcore2.NetworkError,
    httpcore2.TimeoutException,
    httpcore2.ProtocolError,
    httpcore2.UnsupportedProtocol,
)


class FetchedPage(NamedTuple):
    #: Where the page was found in the end.
    url: str
    #: Without parameters, lower case.
    content_type: str
    #: As the server named it; the empty text when it did not.
    charset: str
    body: bytes


class PageFetcher:
    """Fetches pages that `guard` permits. Holds no connection between two pages."""

    def __init__(self, guard: AddressGuard | None = None) -> None:
        self._backend = _GuardedBackend(guard or AddressGuard())
        self._tls: ssl.SSLContext | None = None

    async def fetch(self, address: str) -> FetchedPage:
        """Get a page, following redirects.

        Raises:
            PageRefused: An address on the way is not allowed.
            PageUnavailable: There is no answer, an error status, too much, or not a text.
        """
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._follow(parse_url(address))
        except TimeoutError as error:
            raise PageUnavailable(f"The page took longer than {TOTAL_SECONDS:g} s.") from error
        except _NETWORK_ERRORS as error:
            raise PageUnavailable(f"The page cannot be had: {str(error) or type(error).__name__}.") from error

    async def _follow(self, url: httpx2.URL) -> FetchedPage:
        if self._tls is None:
            # Reads all root certificates, which would hold up every run of the loop.
            self._tls = await asyncio.to_thread(httpcore2.default_ssl_context)
        for _ in range(MAX_REDIRECTS + 1):
            async with httpcore2.AsyncConnectionPool(self._tls, network_backend=self._backend) as pool:
                answer = await _get(pool, url)
            if isinstance(answer, FetchedPage):
                return answer
            url = parse_url(str(answer))
        raise PageUnavailable(f"The page redirects more than {MAX_REDIRECTS} times.")


def parse_url(address: str) -> httpx2.URL:
    """Read an address.

    Raises:
        PageRefused: It is not a plain http or https address.
    """
    try:
        url = httpx2.URL(address.strip())
    except (httpx2.InvalidURL, ValueError) as error:
        raise PageRefused(f"This is not an address: {error}.") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise PageRefused("Only http:// and https:// addresses are fetched.")
    if url.port is not None and not 0 < url.port < 65536:
        raise PageRefused(f"There is no port {url.port}.")
    if url.userinfo:
        raise PageRefused("An address with a user name or password in it is not fetched.")
    return url


async def _get(pool: httpcore2.AsyncConnectionPool, url: httpx2.URL) -> FetchedPage | httpx2.URL:
    """Get one address: the page, or where it redirects to."""
    target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    steps = dict.fromkeys(("connect", "read", "write", "pool"), STEP_SECONDS)
    async with pool.stream("GET", target, headers=_HEADERS, extensions={"timeout": steps}) as response:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        if response.status in _REDIRECTS and "location" in headers:
            return _joined(url, headers["location"])
        if response.status >= 400 or response.status in _REDIRECTS:
            raise PageUnavailable(f"The page answered with status {response.status}.")
        content_type, charset = _content_type(headers)
        return FetchedPage(str(url), content_type, charset, await _body(response, headers))


async def _body(response: httpcore2.Response, headers: dict[str, str]) -> bytes:
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise PageUnavailable("The page came compressed although it was asked for plain.")
    too_large = PageUnavailable(f"The page is larger than {MAX_BYTES // 1024:,} KiB.")
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > MAX_BYTES:
        raise too_large
    body = bytearray()
    async for piece in response.aiter_stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise too_large
    return bytes(body)


def _joined(url: httpx2.URL, location: str) -> httpx2.URL:
    try:
        return url.join(location)
    except (httpx2.InvalidURL, ValueError) as error:
        raise PageUnavailable("The page redirects to something that is not an address.") from error


def _content_type(headers: dict[str, str]) -> tuple[str, str]:
    kind, _, parameters = headers.get("content-type", "").partition(";")
    content_type = kind.strip().lower()
    if content_type not in CONTENT_TYPES:
        raise PageUnavailable(f"The page is {content_type or 'of no stated type'}; only texts are read.")
    named = [part.partition("=")[2] for part in parameters.split(";") if part.strip().lower().startswith("charset=")]
    return content_type, named[0].strip(" \"'").lower() if named else ""


class _GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to checked addresses only, and to the very ones that were checked."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        failure: Exception = PageUnavailable(f"{host} does not answer.")
        for address in await self._guard.addresses(host, port):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise PageRefused("Only http:// and https:// addresses are fetched.")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
