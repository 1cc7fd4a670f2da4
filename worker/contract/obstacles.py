"""Why a server cannot be used, in words for the person who starts us: what is wrong, and which setting to look at.

No I/O, and no client: errors are told apart by the names of their classes and by their texts, along the chain of
causes, so that redis-py, kombu and plain sockets can share one table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from worker.contract.redis_address import place_of, secrets_of

_DETAIL_CHARACTERS = 160
_UNVERIFIED = "set REDIS_TLS_VERIFY=false if it is all right not to know who answers"


class Obstacle(NamedTuple):
    """What stands in the way."""

    #: One message, without credentials.
    words: str
    #: Whether waiting may help. False: somebody has to change something first.
    may_pass: bool


class _Row(NamedTuple):
    #: Names of exception classes, one of which an error of the chain has or inherits; empty: any.
    kinds: frozenset[str]
    #: In lower case; one of them is in a text of the chain. Empty: any text.
    parts: tuple[str, ...]
    may_pass: bool
    #: Goes on behind "Redis at host:port ".
    words: str


def _row(kinds: str, parts: tuple[str, ...], *, may_pass: bool, words: str) -> _Row:
    return _Row(frozenset(kinds.split()), parts, may_pass, words)


#: The first row that fits counts.
_TABLE = (
    # Certificates.
    _row(
        "SSLCertVerificationError",
        ("hostname mismatch", "ip address mismatch", "not valid for"),
        may_pass=False,
        words="shows a certificate that is made out to another name ({detail}). "
        f"Write the name that is in the certificate into {{setting}}, or {_UNVERIFIED}.",
    ),
    _row(
        "SSLCertVerificationError",
        ("expired", "not yet valid"),
        may_pass=False,
        words="shows a certificate that does not hold today ({detail}). Renew it, or look at this machine's clock.",
    ),
    _row(
        "SSLCertVerificationError",
        (),
        may_pass=False,
        words="shows a certificate that nobody known here vouches for ({detail}). Name the file with the certificate "
        f"of its authority (PEM) in REDIS_CA_FILE, or {_UNVERIFIED}, as Heroku's Redis wants it.",
    ),
    # TLS itself.
    _row("SSLEOFError SSLZeroReturnError", (), may_pass=True, words="ends the connection while TLS begins."),
    _row(
        "SSLError",
        ("wrong version number", "record layer failure", "http request", "packet length too long"),
        may_pass=False,
        words="does not speak TLS. Begin {setting} with redis://, or name the port for TLS.",
    ),
    _row(
        "SSLError",
        ("certificate required", "bad certificate", "unknown ca", "handshake failure"),
        may_pass=False,
        words="refuses this side of TLS ({detail}). If it wants a certificate of ours, name the files in {setting} "
        "behind the ?: ssl_certfile and ssl_keyfile.",
    ),
    _row("SSLError", (), may_pass=False, words="and this process cannot agree on TLS ({detail})."),
    _row(
        "InvalidResponse ProtocolError",
        (),
        may_pass=False,
        words="does not answer as Redis does. If this is its port for TLS, begin {setting} with rediss://.",
    ),
    # Who we are.
    _row(
        "AuthenticationError",
        ("authentication required", "already authenticated"),
        may_pass=False,
        words="wants a password, and {setting} has none; it belongs before the host, as in redis://:password@host.",
    ),
    _row(
        "AuthenticationError AuthenticationWrongNumberOfArgsError AccessRefused",
        (),
        may_pass=False,
        words="refuses the user name or the password of {setting}.",
    ),
    _row(
        "NoPermissionError NotAllowed",
        (),
        may_pass=False,
        words="does not allow the user of {setting} what is needed ({detail}).",
    ),
    # What state it is in.
    _row(
        "",
        ("max number of clients reached",),
        may_pass=True,
        words="has no connection left (its maxclients). Take a plan with more of them, or start fewer processes.",
    ),
    _row("BusyLoadingError", (), may_pass=True, words="is still loading its data."),
    _row(
        "ClusterDownError MasterDownError TryAgainError ReadOnlyError OutOfMemoryError",
        (),
        may_pass=True,
        words="does not serve at the moment ({detail}).",
    ),
    _row("", ("db index is out of range",), may_pass=False, words="has no database of the number in {setting}."),
    _row("", ("unknown command",), may_pass=False, words="lacks a command that is needed ({detail})."),
    # Whether it is there.
    _row(
        "gaierror",
        (),
        may_pass=True,
        words="cannot be found: nobody knows this name. Look at the host in {setting}.",
    ),
    _row(
        "ConnectionRefusedError",
        (),
        may_pass=True,
        words="refuses the connection: nothing listens there. Is it running, and are host and port of {setting} right?",
    ),
    _row(
        "FileNotFoundError", (), may_pass=True, words="is not there. Is it running, and is the path in {setting} right?"
    ),
    _row("PermissionError", (), may_pass=False, words="may not be opened by this user."),
    _row(
        "TimeoutError timeout",
        (),
        may_pass=True,
        words="does not answer in time. Are host and port of {setting} right, and may this machine go there?{tls}",
    ),
    _row("ConnectionError OSError", (), may_pass=True, words="cannot be reached ({detail})."),
)


def explain(error: BaseException, url: str, *, what: str = "Redis", setting: str = "REDIS_URL") -> Obstacle:
    """Say what an error of a client means.

    Args:
        url: which address was asked; of it, only where the server is gets into the words.
        what: the server's role, for the beginning of the words.
        setting: which one names the server.
    """
    chain = list(_chain(error))
    kinds = {kind.__name__ for link in chain for kind in type(link).__mro__}
    texts = [str(link) for link in chain]
    detail = _without_secrets(_detail(texts), url)
    # A server without TLS waits for the rest of what it takes for a command.
    tls = f" Does it speak TLS there? If not, begin {setting} with redis://." if url.startswith("rediss:") else ""
    for row in _TABLE:
        if (not row.kinds or row.kinds & kinds) and _has_part(texts, row.parts):
            words = row.words.format(setting=setting, detail=detail, tls=tls)
            return Obstacle(f"{what} at {place_of(url)} {words}", row.may_pass)
    return Obstacle(f"{what} at {place_of(url)} cannot be used: {type(error).__name__}: {detail}", True)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _has_part(texts: list[str], parts: tuple[str, ...]) -> bool:
    return not parts or any(part in text.lower() for part in parts for text in texts)


def _detail(texts: list[str]) -> str:
    """The text of the cause of it all: the others are its repetitions."""
    words = " ".join(next((text for text in reversed(texts) if text.strip()), "no reason was given").split())
    return words if len(words) <= _DETAIL_CHARACTERS else f"{words[:_DETAIL_CHARACTERS]}…"


def _without_secrets(text: str, url: str) -> str:
    for secret in secrets_of(url):
        text = text.replace(secret, "•••")
    return text
