"""Which server, and as whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from worker.contract.environment import Environment, Secret

DEFAULT_SERVER = "http://127.0.0.1:8000"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the commands share."""

    #: Address of the server, without a slash at the end.
    server: str
    #: Proves who asks; empty: an anonymous user, who is kept in `state_dir`.
    token: Secret
    #: Where anonymous users are kept, one file a server.
    state_dir: Path
    #: Whether the server's certificate must be trusted.
    verify: bool

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, server: str | None = None, insecure: bool = False) -> Settings:
        """Read the settings.

        Raises:
            SettingsError: With all problems at once.
        """
        env = Environment(environ)
        address = server or env.text("OUTLOUD_SERVER", DEFAULT_SERVER)
        if not is_address(address):
            origin = "--server" if server else "OUTLOUD_SERVER"
            env.problems.append(f"{origin} is {address[:80]!r}; expected an address such as https://outloud.example")
        token = env.secret("OUTLOUD_TOKEN")
        if not all("!" <= character <= "~" for character in token.reveal()):
            env.problems.append("OUTLOUD_TOKEN has characters that no header can carry; expected ASCII without spaces")
        state_home = env.text("XDG_STATE_HOME") or str(Path(env.text("HOME", "~")).expanduser() / ".local" / "state")
        env.check()
        return cls(
            server=address.rstrip("/"),
            token=token,
            state_dir=Path(state_home) / "outloud",
            verify=not insecure,
        )


def is_address(text: str) -> bool:
    """Whether a text is the address of an HTTP server."""
    try:
        parts = urlsplit(text)
        # A password in an address would be printed with it.
        has_more = "@" in parts.netloc or parts.query or parts.fragment
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not has_more
    except ValueError:
        return False
