"""How signed tokens (JWT) are checked: by whose key, for whom, and which claims say who someone is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from worker.contract.environment import Environment, Secret

#: With a public key to check by. Never together with the others: a token signed with HS256 and the public key as its
#: secret, which everybody knows, would pass.
PUBLIC_KEY_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
#: With a shared secret, and how long that must be: as long as the hash (RFC 7518, 3.2).
SECRET_ALGORITHMS = {"HS256": 32, "HS384": 48, "HS512": 64}

_KEYS = ("JWT_JWKS_URL", "JWT_SECRET", "JWT_PUBLIC_KEY_FILE")
_OTHERS = ("JWT_AUDIENCE", "JWT_ISSUER", "JWT_ALGORITHMS", "JWT_USER_CLAIM", "JWT_OPERATOR_CLAIM", "JWT_COOKIE")
_COOKIE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_LONGEST_LEEWAY = 600


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """Exactly one of `jwks_url`, `secret` and `public_key` is set."""

    #: Where the issuer shows its public keys.
    jwks_url: str = field(repr=False)
    secret: Secret
    #: PEM.
    public_key: str
    #: Empty: the token must be for nobody in particular.
    audience: tuple[str, ...]
    issuer: str
    algorithms: tuple[str, ...]
    #: The claim that names a user, and never another one later.
    user_claim: str
    #: The claim that is true for operators.
    operator_claim: str
    #: Where a browser's token is, since a page can set no header on a WebSocket.
    cookie: str
    #: How far the issuer's clock may be from ours.
    leeway_seconds: int

    @classmethod
    def from_env(cls, env: Environment) -> TokenSettings | None:
        """Read the settings; None without a key. What is wrong is noted in `env`."""
        given = [name for name in _KEYS if env.text(name)]
        settings = cls(
            jwks_url=_jwks_url(env),
            secret=env.secret("JWT_SECRET"),
            public_key=_public_key(env),
            audience=env.names("JWT_AUDIENCE"),
            issuer=env.text("JWT_ISSUER"),
            algorithms=_algorithms(env, has_secret="JWT_SECRET" in given),
            user_claim=env.text("JWT_USER_CLAIM", "sub"),
            operator_claim=env.text("JWT_OPERATOR_CLAIM"),
            cookie=_cookie(env),
            leeway_seconds=env.integer("JWT_LEEWAY_SECONDS", 30, low=0, high=_LONGEST_LEEWAY),
        )
        if not given:
            _check_unused(env)
            return None
        if len(given) > 1:
            env.problems.append(f"{' and '.join(given)} are set; expected one key to check tokens by")
        elif settings.secret:
            _check_length(env, settings)
        else:
            _check_audience(env, settings, given[0])
        return settings


def _check_unused(env: Environment) -> None:
    if forgotten := [name for name in _OTHERS if env.text(name)]:
        # Else everybody would be let in, as an anonymous user.
        env.problems.append(f"{forgotten[0]} is set without a key; expected one of {', '.join(_KEYS)}")


def _check_length(env: Environment, settings: TokenSettings) -> None:
    needed = max((SECRET_ALGORITHMS.get(name, 0) for name in settings.algorithms), default=0)
    size = len(settings.secret.reveal().encode())
    if size < needed:
        env.problems.append(f"JWT_SECRET has {size} bytes; expected at least {needed} for {settings.algorithms[-1]}")


def _check_audience(env: Environment, settings: TokenSettings, key: str) -> None:
    # An issuer signs for many services with one key: what was given to another must not open this one.
    if not settings.audience:
        env.problems.append(f"JWT_AUDIENCE is not set, which {key} needs; expected what `aud` says in our tokens")
    if not settings.issuer:
        env.problems.append(f"JWT_ISSUER is not set, which {key} needs; expected what `iss` says in our tokens")


def _jwks_url(env: Environment) -> str:
    url = env.text("JWT_JWKS_URL")
    if url and not _is_safe_url(url):
        expected = "https://login.example/.well-known/jwks.json (http:// only on this machine)"
        # Without the value: it may hold a token.
        env.problems.append(f"JWT_JWKS_URL is not taken; expected an address such as {expected}")
    return url


def _is_safe_url(text: str) -> bool:
    """Whoever can answer in the issuer's place can be anyone here: no plain HTTP over a network."""
    try:
        url = urlsplit(text)
        is_safe = url.scheme == "https" or (url.scheme == "http" and url.hostname in _LOCAL_HOSTS)
        return is_safe and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _public_key(env: Environment) -> str:
    file = env.text("JWT_PUBLIC_KEY_FILE")
    if not file:
        return ""
    try:
        pem = Path(file).read_text()
        load_pem_public_key(pem.encode())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        env.problems.append(f"JWT_PUBLIC_KEY_FILE is {file!r}; expected a public key as PEM ({type(error).__name__})")
        return ""
    return pem


def _algorithms(env: Environment, *, has_secret: bool) -> tuple[str, ...]:
    allowed = SECRET_ALGORITHMS.keys() if has_secret else PUBLIC_KEY_ALGORITHMS
    names = env.names("JWT_ALGORITHMS", "HS256" if has_secret else "RS256, ES256, EdDSA")
    for name in names:
        if name not in allowed:
            expected = f"expected some of {', '.join(sorted(allowed))}"
            env.problems.append(f"JWT_ALGORITHMS has {name[:20]!r}; {expected} with this kind of key")
    return names


def _cookie(env: Environment) -> str:
    cookie = env.text("JWT_COOKIE")
    if cookie and not _COOKIE.fullmatch(cookie):
        env.problems.append(f"JWT_COOKIE is {cookie[:60]!r}; expected the name of a cookie")
    return cookie
