"""An issuer of signed tokens: keys, tokens, and a server that shows the public keys."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER = "https://login.example"
AUDIENCE = "outloud"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public_pem(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def claims(sub: object = "anna", *, seconds: float = 600, **changed: Any) -> dict[str, Any]:
    """What a good token says; None takes a claim away."""
    made = {"sub": sub, "iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + seconds, **changed}
    return {claim: value for claim, value in made.items() if value is not None}


def forged(said: dict[str, Any], *, alg: str = "none", key_id: str | None = None) -> str:
    """A token that nobody signed."""
    header = {"alg": alg, "typ": "JWT", **({"kid": key_id} if key_id else {})}
    return ".".join([_part(header), _part(said), ""])


def signed(said: dict[str, Any], key: PrivateKey | str, *, alg: str = "", key_id: str | None = None) -> str:
    """A token that this key signed."""
    usual = "HS256" if isinstance(key, str) else "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    return jwt.encode(said, key, algorithm=alg or usual, headers={"kid": key_id} if key_id else None)


def signed_with_public_key(said: dict[str, Any], pem: str, *, key_id: str) -> str:
    """The old trick: HS256, with the key that everybody knows as its secret. PyJWT refuses to do it."""
    head = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': key_id})}.{_part(said)}"
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return f"{head}.{_base64(mac.sign(head.encode(), pem.encode()))}"


class Issuer:
    """Shows the public keys at `url`; can be slow, silent or away."""

    def __init__(self) -> None:
        self.keys: dict[str, PrivateKey] = {}
        #: Further members of a key's JSON, by the key's name.
        self.members: dict[str, dict[str, Any]] = {}
        self.status = 200
        self.delay_seconds = 0.0
        self.asked = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/keys.json"

    def serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, key_id: str, key: PrivateKey, **members: Any) -> PrivateKey:
        self.keys[key_id] = key
        self.members[key_id] = members
        return key

    def shown(self) -> bytes:
        return json.dumps({"keys": [self._jwk(key_id) for key_id in self.keys]}).encode()

    def _jwk(self, key_id: str) -> dict[str, Any]:
        return {**_jwk_of(self.keys[key_id]), "kid": key_id, "use": "sig", **self.members[key_id]}


@contextlib.contextmanager
def running_issuer() -> Iterator[Issuer]:
    """An issuer that answers."""
    issuer = Issuer()
    issuer.serve()
    try:
        yield issuer
    finally:
        issuer.stop()


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            time.sleep(issuer.delay_seconds)
            body = issuer.shown()
            with contextlib.suppress(OSError):
                self.send_response(issuer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


def _jwk_of(key: PrivateKey) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        return jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)


def _part(said: dict[str, Any]) -> str:
    return _base64(json.dumps(said).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
