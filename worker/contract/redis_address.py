"""The address of Redis, brought into the one form that every client here takes as it is. No I/O.

| client   | where                                      | about `rediss://`                               |
|----------|--------------------------------------------|-------------------------------------------------|
| redis-py | `web.stores`, `worker.redis_client` …      | takes `ssl_` words; verifies unless told not to |
| kombu    | `web.doorbell`, `worker.app`, under Celery | takes the same; does not verify unless told to  |
| the bus  | `web.relay.bus`                            | goes by what redis-py makes of the address      |

So the address always says `ssl_cert_reqs=required` or `none`. Of other words behind the `?` kombu would make a
TypeError, redis-py without TLS as well; they are problems here.
"""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

_VERIFY = "ssl_cert_reqs"
_AUTHORITY = "ssl_ca_certs"
_CHECK_NAME = "ssl_check_hostname"
_TLS_WORDS = frozenset({_VERIFY, _AUTHORITY, _CHECK_NAME, "ssl_certfile", "ssl_keyfile", "ssl_password"})
#: As people know them from redis-py, kombu and Celery; for a client `optional` is the same as `required`.
_VERIFY_WORDS = {
    "required": "required",
    "cert_required": "required",
    "optional": "required",
    "cert_optional": "required",
    "none": "none",
    "cert_none": "none",
}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
#: Those of brokers as well, since `place_of` names any server.
_DEFAULT_PORTS = {"amqp": 5672, "amqps": 5671}
_DEFAULT_PORT = 6379
_EXPECTED = (
    "an address such as redis://:password@host:6379/0, where the characters / # ? @ : % of a password are written as "
    "%2F %23 %3F %40 %3A %25"
)


def normalise(text: str, *, name: str, verify: bool | None = None, ca_file: str = "") -> tuple[str, list[str]]:
    """Bring an address into the form that all clients take; answers it and what is wrong with it.

    What is wrong never shows the address: it may hold a password. A second time changes nothing.

    Args:
        name: of the setting, for the problems.
        verify: REDIS_TLS_VERIFY; None when it is not set: then the address may say so itself.
        ca_file: REDIS_CA_FILE; empty when it is not set.
    """
    if not text.startswith(("redis://", "rediss://", "unix://")):
        return "", [f"{name} does not begin with redis://, rediss:// or unix://"]
    if not is_readable(text):
        return "", [f"{name} cannot be read; expected {_EXPECTED}"]
    parts = urlsplit(text)
    words: dict[str, str] = {}
    for word, value in parse_qsl(parts.query, keep_blank_values=True):
        # Of two that say the same the first one counts, as for redis-py.
        words.setdefault(word, value)
    parts, problems = _with_database(parts, words, name)
    if parts.scheme == "rediss":
        problems += _add_tls(words, name, verify, ca_file)
    problems += _unknown_words(parts.scheme, words, name)
    return ("", problems) if problems else (_joined(parts, words), [])


def is_readable(text: str) -> bool:
    """Whether an address has all its parts where clients look for them: a password that is not escaped moves them."""
    try:
        parts = urlsplit(text)
        is_split_right = "#" not in text and ("@" not in parts.path or parts.scheme == "unix")
        return parts.port != 0 and is_split_right and not any(c.isspace() for c in text)
    except ValueError:
        return False


def place_of(url: str) -> str:
    """Say where the server of an address is, without its credentials: `host:port`, or the path of its socket."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return unquote(parts.path)
    host = parts.hostname or "localhost"
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or _DEFAULT_PORTS.get(parts.scheme, _DEFAULT_PORT)}"


def secrets_of(url: str) -> tuple[str, ...]:
    """Name what must never be shown of an address: its password, as written and as meant."""
    parts = urlsplit(url)
    found = [parts.password or "", dict(parse_qsl(parts.query)).get("ssl_password", "")]
    return tuple({form for secret in found if secret for form in (secret, unquote(secret), quote(secret, safe=""))})


def broker_form(url: str) -> str:
    """Give a Redis address as kombu takes it: it has a scheme of its own for sockets of this machine."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    words = {"virtual_host": dict(parse_qsl(parts.query)).get("db", "0")}
    return f"redis+socket://{parts.netloc}{parts.path}?{urlencode(words)}"


def _with_database(parts: SplitResult, words: dict[str, str], name: str) -> tuple[SplitResult, list[str]]:
    """Move the number of the database to the one place where all clients look for it, and check it."""
    problem: list[str] = []
    if parts.scheme == "unix":
        number = words.get("db", "0")
        if not parts.path.strip("/"):
            problem.append(f"{name} names no socket")
    else:
        number = words.pop("db", "") or parts.path.strip("/") or "0"
        if number != "0" or parts.path.strip("/"):
            parts = parts._replace(path=f"/{number}")
    if not number.isdecimal():
        problem.append(f"{name} ends with something that is not the number of a database; expected {_EXPECTED}")
    return parts, problem


def _add_tls(words: dict[str, str], name: str, verify: bool | None, ca_file: str) -> list[str]:
    """Complete the words about TLS: what the address says itself holds, unless a setting says the opposite."""
    problems: list[str] = []
    wish = words.get(_VERIFY)
    said = _VERIFY_WORDS.get(wish.lower()) if wish is not None else None
    if wish is not None and said is None:
        problems.append(f"{name} has {_VERIFY}={wish[:20]}; expected required or none")
    setting = None if verify is None else "required" if verify else "none"
    if said and setting and said != setting:
        problems.append(f"{name} says {_VERIFY}={said}, but REDIS_TLS_VERIFY the opposite; take one of them away")
    words[_VERIFY] = said or setting or "required"
    if ca_file and words.setdefault(_AUTHORITY, ca_file) != ca_file:
        problems.append(f"{name} has {_AUTHORITY}, but REDIS_CA_FILE names another file; take one of them away")
    if _CHECK_NAME in words:
        checks = _TRUTH.get(words[_CHECK_NAME].lower())
        if checks is None:
            problems.append(f"{name} has {_CHECK_NAME}={words[_CHECK_NAME][:20]}; expected true or false")
        words[_CHECK_NAME] = str(checks).lower()
    return problems


def _unknown_words(scheme: str, words: dict[str, str], name: str) -> list[str]:
    known = {"rediss": _TLS_WORDS, "unix": frozenset({"db"})}.get(scheme, frozenset())
    unknown = sorted(words.keys() - known)
    if not unknown:
        return []
    hint = "; for TLS it begins with rediss://" if any(word in _TLS_WORDS for word in unknown) else ""
    return [f"{name} has {', '.join(word[:30] for word in unknown)} behind the ?, which is not taken there{hint}"]


def _joined(parts: SplitResult, words: dict[str, str]) -> str:
    # By hand, since `geturl` takes the slashes off an address without a host. Those of paths stay readable.
    query = f"?{urlencode(words, safe='/')}" if words else ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}{query}"
