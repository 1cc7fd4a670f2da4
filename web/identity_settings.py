"""Which way to sign in the environment chooses, exactly one, and who may look inside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network

from web.token_settings import TokenSettings
from worker.contract.environment import Environment, Secret

Network = IPv4Network | IPv6Network

_HOOK = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
#: A path of ours or a web address. Two slashes or a backslash in front would lead to another server.
_SIGN_IN_URL = re.compile(r"(https?://[!-~]+|/(?![/\\])[!-~]*)")
_PASSWORD_CHARACTERS = 16
#: What chooses a way, and its name in messages.
_WAYS: Mapping[str, str] = {
    "IDENTITY": "IDENTITY",
    "JWT_JWKS_URL": "signed tokens (JWT_…)",
    "JWT_SECRET": "signed tokens (JWT_…)",
    "JWT_PUBLIC_KEY_FILE": "signed tokens (JWT_…)",
    "PROXY_USER_HEADER": "PROXY_USER_HEADER",
}


@dataclass(frozen=True, kw_only=True)
class ProxySettings:
    """A proxy in front that signs people in and says who they are."""

    header: str
    #: Direct peers that may send the header. From anybody else it is worth nothing.
    networks: tuple[Network, ...]


@dataclass(frozen=True, kw_only=True)
class IdentitySettings:
    """At most one of `hook`, `token` and `proxy` is set; without any, users are anonymous and kept by a cookie."""

    #: `module:function` that says who sends a request.
    hook: str = ""
    token: TokenSettings | None = None
    proxy: ProxySettings | None = None
    #: Names, as the way to sign in gives them, of those who may look inside.
    operators: frozenset[str] = frozenset()
    #: Lets whoever knows it look inside.
    ops_password: Secret = field(default=Secret(""))
    #: Where a person signs in; `{next}` in it stands for where they come back to.
    sign_in_url: str = ""

    @classmethod
    def from_env(cls, env: Environment) -> IdentitySettings:
        """Read the settings; what is wrong is noted in `env`."""
        settings = cls(
            hook=_hook(env),
            token=TokenSettings.from_env(env),
            proxy=_proxy(env),
            operators=frozenset(env.names("OPERATORS")),
            ops_password=_ops_password(env),
            sign_in_url=_sign_in_url(env),
        )
        _check_one_way(env, settings)
        return settings


def _check_one_way(env: Environment, settings: IdentitySettings) -> None:
    chosen = dict.fromkeys(words for name, words in _WAYS.items() if env.text(name))
    if len(chosen) > 1:
        env.problems.append(f"{' and '.join(chosen)} are set; expected one way to sign in")
    if settings.operators and not chosen and not env.text("PROXY_ADDRESSES"):
        env.problems.append("OPERATORS is set, but users are anonymous; expected a way to sign in, or OPS_PASSWORD")


def _hook(env: Environment) -> str:
    hook = env.text("IDENTITY")
    if hook and not _HOOK.fullmatch(hook):
        env.problems.append(f"IDENTITY is {hook[:60]!r}; expected module:function")
    return hook


def _proxy(env: Environment) -> ProxySettings | None:
    header, addresses = env.text("PROXY_USER_HEADER"), env.names("PROXY_ADDRESSES")
    if not header and not addresses:
        return None
    if not header:
        env.problems.append("PROXY_USER_HEADER is not set, which PROXY_ADDRESSES needs; expected a header's name")
    elif not _HEADER.fullmatch(header):
        env.problems.append(f"PROXY_USER_HEADER is {header[:60]!r}; expected a header's name such as X-Forwarded-User")
    if not addresses:
        expected = "expected the proxy's addresses or networks, with commas between"
        env.problems.append(f"PROXY_ADDRESSES is not set, which PROXY_USER_HEADER needs; {expected}")
    return ProxySettings(header=header, networks=tuple(filter(None, (_network(env, text) for text in addresses))))


def _network(env: Environment, text: str) -> Network | None:
    try:
        network = ip_network(text)
    except ValueError:
        env.problems.append(f"PROXY_ADDRESSES has {text[:60]!r}; expected addresses or networks such as 10.0.0.0/8")
        return None
    if network.prefixlen == 0:
        env.problems.append(f"PROXY_ADDRESSES has {text}, which is everybody; expected the proxy's addresses")
        return None
    return network


def _ops_password(env: Environment) -> Secret:
    password = env.secret("OPS_PASSWORD")
    if password and len(password) < _PASSWORD_CHARACTERS:
        expected = f"expected at least {_PASSWORD_CHARACTERS}"
        env.problems.append(f"OPS_PASSWORD has {len(password)} characters; {expected}")
    return password


def _sign_in_url(env: Environment) -> str:
    url = env.text("SIGN_IN_URL")
    if url and not _SIGN_IN_URL.fullmatch(url):
        env.problems.append(f"SIGN_IN_URL is {url[:60]!r}; expected an address such as /oauth2/start?rd={{next}}")
    return url
