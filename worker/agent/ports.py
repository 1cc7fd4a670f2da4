"""What an agent run needs from outside, as protocols. The real ones are in `worker.log`, `worker.models` and
`worker.workspaces`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from worker.contract.events import Event
from worker.contract.scripts import NO_ENTRIES, Ending, Entries, ToolResult

if TYPE_CHECKING:
    from pydantic_ai.models import Model


class EventSink(Protocol):
    """Where the events of one attempt go, in order."""

    @property
    def written(self) -> int:
        """How many writes were answered."""

    async def append(
        self,
        event: Event | None,
        *,
        ending: Ending | None = None,
        result: ToolResult | None = None,
        entries: Entries = NO_ENTRIES,
        quiet_seconds: float = 0.0,
    ) -> None:
        """Write one event, or with None only entries; returns when the log has it.

        Args:
            quiet_seconds: how much longer than usual the run may be silent after it.

        Raises:
            AttemptLost: This attempt may not write any more.
            LogLost: The log has lost what this attempt cannot write again.
            LogUnavailable: The log could not be reached within its deadline.
        """

    async def recover(self) -> None:
        """Write again what the log has lost. Raises likewise."""


class Workspace(Protocol):
    """One user's tables and documents. Methods block: call them from a tool that is a plain function."""

    def tables(self) -> list[dict[str, Any]]:
        """Describe every table: name, columns with types, rows, the file it came from."""

    def query(self, sql: str, *, max_rows: int, seconds: float) -> QueryResult:
        """Run one reading statement; refuses anything that writes, attaches or takes longer than `seconds`."""

    def add_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
        """Store a table for this user, in the place of one with the same name."""

    def documents(self) -> list[dict[str, Any]]:
        """Describe every document: id, name, size."""

    def add_document(self, name: str, text: str) -> dict[str, Any]:
        """Store a document for this user, in the place of one with the same name."""

    def remove_document(self, name: str) -> bool:
        """Remove a document; False when there is none of that name."""

    def search(self, query: str, *, limit: int) -> list[dict[str, Any]]:
        """Full-text search over the documents, best first: name, snippet, score."""


class QueryResult(NamedTuple):
    columns: list[str]
    rows: list[list[Any]]
    #: True when there were more rows than asked for.
    more: bool


class ModelSource(Protocol):
    """Gives agents their model."""

    #: Shown to people, such as `gpt-5-mini` or `offline`.
    label: str
    #: True when a built-in model answers, which has no tokens to count.
    offline: bool

    def model(self, *, on_retry: Callable[[str], Any]) -> Model:
        """Make the model of one agent call; `on_retry` is an async function that is told, in words, of each wait."""

    def describe(self, error: Exception) -> Exception:
        """Turn an error of the model's library into a `ModelError`; give back any other error as it is."""
