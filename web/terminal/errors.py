"""How a command ends when it does not end well, and with which exit code.

TerminalError
├── Unreachable     no answer came; trying again may help, unless `is_final`
├── Refused         the server said no, in the words of its error
└── Unusable        something here is missing or wrong
"""

from __future__ import annotations

from enum import IntEnum

#: Answers after which the same call may work later, beside 5xx.
_TOO_MANY = 429


class ExitCode(IntEnum):
    """What a script learns."""

    COMPLETED = 0
    FAILED = 1
    USAGE = 2
    CANCELLED = 3
    REFUSED = 4
    #: The run waits for a person, and `--no-wait` was given.
    WAITING = 5
    TIMED_OUT = 124
    INTERRUPTED = 130
    #: Nobody reads what is printed any more.
    UNHEARD = 141
    TERMINATED = 143


class TerminalError(Exception):
    """Base class. The message is for the person at the terminal."""

    code = ExitCode.REFUSED


class Unreachable(TerminalError):
    """Raised when no answer came.

    Args:
        is_final: Trying again would not help: the server's certificate is not to be trusted, or it is none of ours.
        was_sent: The request may have arrived all the same.
    """

    def __init__(self, message: str, *, is_final: bool = False, was_sent: bool = True) -> None:
        super().__init__(message)
        self.is_final = is_final
        self.was_sent = was_sent


class Refused(TerminalError):
    """Raised when the server answers with an error; the message is the server's own."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        #: The error's code, such as `not_found`.
        self.error_code = code
        #: Seconds after which the server wants to be asked again.
        self.retry_after = retry_after

    @property
    def is_passing(self) -> bool:
        """Whether the same call may work later."""
        return self.status == _TOO_MANY or self.status >= 500


class Unusable(TerminalError):
    """Raised when this machine lacks something."""

    code = ExitCode.USAGE
