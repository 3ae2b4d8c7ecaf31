"""The HTTP transport with each of its engines."""

import attrs

from sp00ky_core.config import BackendConfig
from sp00ky_core.job.outcome import Outcome
from sp00ky_core.ports import Attempt
from sp00ky_transport_http import HttpTransport

__all__ = ["ENGINES", "EngineTransport"]

ENGINES = ("aiohttp", "httptools")


class EngineTransport(HttpTransport):
    """Delivers with one engine, whatever an attempt's backend asks for."""

    def __init__(self, engine: str) -> None:
        super().__init__()
        self._engine = engine
        self._given: BackendConfig | None = None
        self._changed: BackendConfig | None = None

    async def deliver(self, attempt: Attempt) -> Outcome:
        return await super().deliver(attrs.evolve(attempt, backend=self._with_engine(attempt.backend)))

    def _with_engine(self, backend: BackendConfig) -> BackendConfig:
        """The same object for the same backend: that is how the transport knows it again."""
        if self._changed is None or backend is not self._given:
            self._given, self._changed = backend, attrs.evolve(backend, engine=self._engine)
        return self._changed
