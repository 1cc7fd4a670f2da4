"""ModelProvider: where agents get their model from. One per worker process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from worker.models.failures import Failures
from worker.models.retrying import Patience, RetryingModel
from worker.models.settings import ModelSettings

if TYPE_CHECKING:
    import httpx2
    from pydantic_ai.models import Model


class ModelProvider:
    """Gives out models that share one HTTP client. See `worker.agent.ports.ModelSource`.

    To be made, used and closed on one event loop. `patience` is for tests; the settings give it otherwise.
    """

    def __init__(self, settings: ModelSettings, *, patience: Patience | None = None) -> None:
        #: Shown to people.
        self.label = settings.name
        #: True when the built-in model answers, since no real one is set.
        self.offline = settings.provider == "offline"
        self._settings = settings
        self._failures = Failures(settings)
        self._patience = patience or Patience(max_retries=settings.max_retries)
        make = _offline_model if self.offline else _real_model
        made: tuple[Model, httpx2.AsyncClient | None] = make(settings)
        self._model, self._client = made

    def model(self, *, on_retry: Callable[[str], Any]) -> Model:
        """Make the model of one agent call; `on_retry` is an async function that is told, in words, of each wait."""
        if self.offline:
            return self._model
        return RetryingModel(self._model, failures=self._failures, patience=self._patience, on_retry=on_retry)

    def describe(self, error: Exception) -> Exception:
        """Turn an error of the model's library into an `AgentError`; give back any other error as it is."""
        return self._failures.describe(error)

    def secrets(self) -> list[str]:
        """Texts that must not be shown to anybody."""
        return self._settings.secrets()

    async def aclose(self) -> None:
        """Close the connections; answers that are still being written break off."""
        if self._client is not None:
            await self._client.aclose()


# Each imported where it is needed: the providers' libraries take a second, and only one kind of model is ever used.
def _offline_model(settings: ModelSettings) -> tuple[Model, None]:
    from worker.models.offline import OfflineModel

    return OfflineModel(delay_seconds=settings.offline_delay_seconds), None


def _real_model(settings: ModelSettings) -> tuple[Model, httpx2.AsyncClient]:
    from worker.models.endpoints import build_http_client, build_model

    client = build_http_client(settings)
    return build_model(settings, client), client
