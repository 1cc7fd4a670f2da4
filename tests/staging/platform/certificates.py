"""Certificates of an authority that exists for one session: what a private network has, and no browser knows."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@dataclass(frozen=True)
class Certificates:
    """Files in PEM."""

    authority: Path
    #: Key and chain in one file, as HAProxy wants them.
    router: Path
    redis_certificate: Path
    redis_key: Path
    #: Hash of the router's public key, for a browser that shall accept this one and no other.
    router_pin: str


def make_certificates(directory: Path) -> Certificates:
    """Make an authority, and what router and Redis show."""
    directory.mkdir(parents=True)
    authority = trustme.CA()
    router = authority.issue_cert("localhost", "127.0.0.1")
    redis = authority.issue_cert("localhost", "127.0.0.1")
    made = Certificates(
        authority=directory / "authority.pem",
        router=directory / "router.pem",
        redis_certificate=directory / "redis.pem",
        redis_key=directory / "redis.key",
        router_pin=_pin(x509.load_pem_x509_certificate(router.cert_chain_pems[0].bytes())),
    )
    authority.cert_pem.write_to_path(made.authority)
    router.private_key_and_cert_chain_pem.write_to_path(made.router)
    redis.cert_chain_pems[0].write_to_path(made.redis_certificate)
    redis.private_key_pem.write_to_path(made.redis_key)
    return made


def trusting(authority: Path | None) -> ssl.SSLContext:
    """What a client checks servers with: this authority, or with None those that the machine trusts."""
    return ssl.create_default_context(cafile=authority)


def pin_at(host: str, port: int, tls: ssl.SSLContext) -> str:
    """The pin of the server there, which `tls` vouches for.

    Raises:
        OSError: it does not answer, or nobody vouches for it.
    """
    with (
        socket.create_connection((host, port), timeout=15) as connection,
        tls.wrap_socket(connection, server_hostname=host) as secured,
    ):
        certificate = secured.getpeercert(binary_form=True) or b""
    return _pin(x509.load_der_x509_certificate(certificate))


def _pin(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    content = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(content).digest()).decode()
