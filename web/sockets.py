"""The door to the relay: the Flask-Sock route `/ws`, and the hand-over of a request's socket to the relay's OS thread.

A socket served in the request's OS thread would hold that OS thread as long as the page is open. So the route only
checks and accepts; then the descriptor is taken out of gunicorn's hands:

1. Flask-Sock's server object is given an OS thread class that never starts, so that nobody else reads the socket.
2. The request's deadline is lifted: it would cut the viewer's socket.
3. The descriptor is duplicated, and a dummy is put in its place: what gunicorn closes after the request is the dummy.
4. What gunicorn has read behind the request head goes along: a client may send its first frame with the handshake.

This needs gunicorn's `gthread` worker on plain TCP; TLS ends at the platform's router.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import flask_sock
from flask import Flask, Request, Response, current_app, jsonify, request
from simple_websocket import Server
from wsproto.events import RejectConnection
from wsproto.utilities import RemoteProtocolError

from web.http.origins import is_own_origin
from web.relay.relay import Relay
from web.request_deadline import lift_deadline

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Visitor(NamedTuple):
    """Who opens a connection, and until when they may."""

    user_id: str
    #: Unix milliseconds; 0 is never.
    expires_at: int = 0


Identify = Callable[[Request], Visitor | None]

WEBSOCKET_PATH = "/ws"

#: What a page may call itself in `?viewer=`: random, so that two tabs do not meet.
_VIEWER_ID = re.compile(r"[0-9a-f]{16}")
_EXTENSION = "relay"
_NEEDS_GTHREAD = "Live connections need gunicorn's gthread worker on plain TCP (worker_class = 'gthread')."


class HandOffImpossible(Exception):
    """Raised when the server is not one whose sockets can be taken over; says what is needed."""


class HandedOff(NamedTuple):
    sock: socket.socket
    #: Bytes that were already read from it, behind the request.
    leftover: bytes


def register(app: Flask, relay: Relay, *, identify: Identify, allowed_origins: AbstractSet[str] = frozenset()) -> None:
    """Add the route `/ws`, and let `open_event_stream` find the relay.

    Args:
        identify: Says whose request it is; None is nobody's, which gets the close code 4401.
        allowed_origins: Origins beside the page's own that may connect, lower case, as `https://chat.example.org`.
    """
    app.extensions[_EXTENSION] = relay
    options = app.config.setdefault("SOCK_SERVER_OPTIONS", {})
    options["thread_class"] = _NeverStarts
    app.wsgi_app = _WithoutCompression(app.wsgi_app)  # type: ignore[method-assign]

    @app.before_request
    def check_handshake() -> Response | None:
        return _check_handshake(relay, allowed_origins) if request.path == WEBSOCKET_PATH else None

    @app.errorhandler(RemoteProtocolError)
    def refuse_handshake(error: RemoteProtocolError) -> Response:
        relay.note_refused("bad_handshake")
        return _refuse_handshake(error)

    sock = flask_sock.Sock(app)

    @sock.route(WEBSOCKET_PATH)  # type: ignore[untyped-decorator]
    def follow_runs(connection: Server) -> None:
        visitor = identify(request)
        handed = hand_off(request.environ)
        # Flask-Sock would write a close frame at the end.
        connection.connected = False
        relay.adopt_websocket(
            handed.sock,
            user_id=visitor.user_id if visitor else None,
            expires_at=visitor.expires_at if visitor else 0,
            viewer_id=_viewer_id(request),
            leftover=handed.leftover,
        )


def open_event_stream(run_id: str, after: str | int, *, visitor: Visitor) -> Response:
    """Answer the current request with a run's events as Server-Sent Events, live until the run's last event.

    The relay checks that the run is the visitor's, and answers 404 if not; it also answers 429 and 503 by itself. A
    `Last-Event-ID` in the request goes before `after`, since an EventSource that comes back repeats its first address.

    Args:
        after: Cursor or event number behind which to begin; 0 is the beginning.

    Returns:
        A response that writes nothing: return it from the view.
    """
    if request.method == "HEAD":
        return Response(content_type="text/event-stream")
    try:
        handed = hand_off(request.environ)
    except HandOffImpossible as error:
        return _refusal(500, "wrong_server", str(error))
    relay: Relay = current_app.extensions[_EXTENSION]
    last_seen = request.headers.get("Last-Event-ID") or after
    relay.adopt_event_stream(
        handed.sock, user_id=visitor.user_id, expires_at=visitor.expires_at, run_id=run_id, after=last_seen
    )
    return _AlreadyAnswered()


def hand_off(environ: Mapping[str, Any]) -> HandedOff:
    """Take the request's socket away from gunicorn, which goes on with a dummy.

    Raises:
        HandOffImpossible: This is not a plain HTTP/1 request in a gthread worker; nothing has changed.
    """
    original = _plain_socket(environ)
    lift_deadline()
    leftover = environ["wsgi.input"].reader.unreader.take_buffered()
    sock = socket.socket(original.family, original.type, original.proto, fileno=os.dup(original.fileno()))
    dummy, other_end = socket.socketpair()
    with dummy, other_end:
        os.dup2(dummy.fileno(), original.fileno(), inheritable=False)
    return HandedOff(sock, leftover)


def _check_handshake(relay: Relay, allowed_origins: AbstractSet[str]) -> Response | None:
    # Browsers send cookies with a handshake from any page, so a foreign page could read its visitor's runs. No browser
    # leaves Origin out: a request without one comes from a program, which has no stolen cookies to use.
    origin = request.headers.get("Origin")
    if origin is not None and not is_own_origin(origin, host=request.host, allowed=allowed_origins):
        relay.note_refused("foreign_origin")
        return _refusal(403, "foreign_origin", "This origin may not connect.", detail={"origin": origin[:100]})
    if relay.is_stopping:
        relay.note_refused("restarting")
        return _refusal(503, "restarting", "The server is restarting.")
    try:
        _plain_socket(request.environ)
    except HandOffImpossible as error:
        relay.note_refused("wrong_server")
        return _refusal(500, "wrong_server", str(error))
    return None


def _refuse_handshake(error: RemoteProtocolError) -> Response:
    hint = error.event_hint
    status = hint.status_code if isinstance(hint, RejectConnection) else 400
    response = _refusal(status, "bad_handshake", "This is not a WebSocket handshake.", detail={"reason": str(error)})
    if status == 426:
        response.headers["Sec-WebSocket-Version"] = "13"
    return response


def _viewer_id(request: Request) -> str:
    """What the page calls itself, the same over all its connections; a client that says nothing has one per socket."""
    given = request.args.get("viewer", "")
    return given if _VIEWER_ID.fullmatch(given) else secrets.token_hex(8)


def _refusal(status: int, code: str, message: str, *, detail: Mapping[str, str] | None = None) -> Response:
    response = jsonify(error={"code": code, "message": message, "detail": detail})
    response.status_code = status
    return response


def _plain_socket(environ: Mapping[str, Any]) -> socket.socket:
    sock = environ.get("gunicorn.socket")
    is_http_1 = str(environ.get("SERVER_PROTOCOL", "")).startswith("HTTP/1.")
    # Exactly a socket: not TLS, not gevent's, whose descriptors other code reads and writes.
    if type(sock) is not socket.socket or not environ.get("wsgi.multithread") or not is_http_1:
        raise HandOffImpossible(_NEEDS_GTHREAD)
    return sock


class _NeverStarts:
    """Stands where simple-websocket would start an OS thread that reads the socket."""

    def __init__(self, target: Callable[[], None]) -> None:
        self.name = "never started"

    def start(self) -> None:
        pass


class _WithoutCompression:
    """WSGI: hides the offer of permessage-deflate, which simple-websocket would accept (see `relay.frames`)."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        return self._app(environ, start_response)


class _AlreadyAnswered(Response):
    """Tells gunicorn, as Flask-Sock does, that the connection is no longer its own."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> NoReturn:
        raise StopIteration
