"""Reads settings from the environment, once, and names every problem at once."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from worker.contract.broker import AMQP_SCHEMES, REDIS_SCHEMES
from worker.contract.redis_address import is_readable, normalise

_AMQP_EXPECTED = (
    "an address such as amqp://user:password@host:5672/vhost, where the characters / # ? @ : % of a password are "
    "written as %2F %23 %3F %40 %3A %25"
)

T = TypeVar("T")


class Secret(str):
    """A text that does not show itself when printed, logged or formatted with `repr`. Use `reveal` where it is
    needed.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(•••)" if self.reveal() else "Secret()"

    def __str__(self) -> str:
        return "•••" if self.reveal() else ""

    def __format__(self, spec: str) -> str:
        return str(self)

    def reveal(self) -> str:
        """The text itself."""
        return str.__str__(self)


class SettingsError(Exception):
    """Raised at start with everything that is wrong with the environment."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(["These settings need a look:", *(f"  {problem}" for problem in problems)]))
        self.problems = problems


class Environment:
    """Typed access to environment variables. Collects problems, and a default or nothing stands for what is wrong;
    `check` raises them together.

    An empty value counts as not set, as platforms and `.env` files leave them.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        return self._environ.get(name, "").strip() or default

    def secret(self, name: str) -> Secret:
        return Secret(self.text(name))

    def required(self, name: str, expected: str) -> str:
        value = self.text(name)
        if not value:
            self.problems.append(f"{name} is not set; expected {expected}")
        return value

    def integer(self, name: str, default: int, *, low: int = 1, high: int = 1_000_000_000) -> int:
        return self._number(name, default, int, "a whole number", low, high)

    def number(self, name: str, default: float, *, low: float = 0.0, high: float = 1e9) -> float:
        return self._number(name, default, float, "a number", low, high)

    def boolean(self, name: str, *, default: bool) -> bool:
        value = self.text(name).lower()
        if value in ("1", "true", "yes", "on"):
            return True
        if value in ("0", "false", "no", "off"):
            return False
        if value:
            self.problems.append(f"{name} is {value!r}; expected true or false")
        return default

    def names(self, name: str, default: str = "") -> tuple[str, ...]:
        """A list with commas between."""
        return tuple(part for part in (piece.strip() for piece in self.text(name, default).split(",")) if part)

    def redis_url(self, name: str = "REDIS_URL") -> str:
        """An address of Redis in the form that all our clients take; empty when there is none or it is wrong."""
        verify = self.boolean("REDIS_TLS_VERIFY", default=True) if self.text("REDIS_TLS_VERIFY") else None
        ca_file = self.certificates("REDIS_CA_FILE")
        value = self.required(name, "a Redis address such as redis://localhost:6379/0")
        if not value:
            return ""
        url, problems = normalise(value, name=name, verify=verify, ca_file=ca_file)
        self.problems += problems
        return url

    def certificates(self, name: str) -> str:
        """The absolute path of a PEM file with certificates of authorities; empty when not set."""
        text = self.text(name)
        if not text:
            return ""
        path = str(Path(text).absolute())
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except ssl.SSLError:
            self.problems.append(f"{name} is {text!r}, which holds no certificate in PEM form")
        except OSError as error:
            self.problems.append(f"{name} is {text!r}, which cannot be read: {error.strerror}")
        return path

    def broker_url(self, redis_url: str) -> str:
        """The address of Celery's broker: `redis_url` unless the environment names another."""
        value = self.text("BROKER_URL")
        scheme = value.partition("://")[0]
        if not value:
            return redis_url
        if scheme in AMQP_SCHEMES:
            if is_readable(value):
                return value
            self.problems.append(f"BROKER_URL cannot be read; expected {_AMQP_EXPECTED}")
            return redis_url
        if scheme in REDIS_SCHEMES:
            return self.redis_url("BROKER_URL")
        # Without the value: it may hold a password.
        self.problems.append("BROKER_URL does not begin with amqp://, amqps://, redis://, rediss:// or unix://")
        return redis_url

    def check(self) -> None:
        """Raise what was found.

        Raises:
            SettingsError: Anything was.
        """
        if self.problems:
            # What two settings share may have been read twice.
            raise SettingsError(list(dict.fromkeys(self.problems)))

    def _number(self, name: str, default: T, read: Callable[[str], T], words: str, low: T, high: T) -> T:
        text = self.text(name)
        if not text:
            return default
        try:
            value = read(text)
        except ValueError:
            self.problems.append(f"{name} is {text[:40]!r}; expected {words}")
            return default
        if not low <= value <= high:  # type: ignore[operator]
            self.problems.append(f"{name} is {text[:40]}; expected {words} from {low} to {high}")
            return default
        return value
