"""Follow what operators set of backends at run time, every 2 s."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping

import attrs

from sp00ky_core.backend.backend import Backend
from sp00ky_core.backend.settings import adjusted, read_settings, settings_to_json, values_of
from sp00ky_core.config import BackendSettings
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.ports import SettingsRecord, Store
from sp00ky_core.runner.counters_and_log import Observer

logger: logging.Logger = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds between two looks: a change reaches every runner within 5 s, however busy it or its database is."""

NOTHING = SettingsRecord(values={})


@attrs.define(eq=False)
class SettingsReader:
    """Reads what is set, and says what follows where that has changed."""

    _store: Store
    _backends: Mapping[str, Backend]
    """As the file has them, by their tables' names."""
    _adjust: Callable[[str, Backend], None]
    """Called with the backend as it is to be."""
    _observer: Observer
    _held: dict[str, BackendSettings] = attrs.field(factory=dict)
    _said: dict[str, Mapping[str, str]] = attrs.field(factory=dict)

    async def run(self) -> None:
        """Look until cancelled. Where that fails, what was set before holds."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.look()
            except Sp00kyError as error:
                self._observer.failed("what operators have set can't be read", error)

    async def look(self) -> None:
        """Read once. Raises ``StoreError``."""
        records = await self._store.settings()
        for name, backend in self._backends.items():
            self._follow(name, backend, records.get(name, NOTHING))

    def _follow(self, name: str, backend: Backend, record: SettingsRecord) -> None:
        settings, problems = read_settings(backend, record)
        if problems and problems != self._said.get(name):
            reasons = "; ".join(f"{key}: {problem}" for key, problem in problems.items())
            logger.warning("backend %s: what is set at run time is ignored: %.500s", name, reasons)
        self._said[name] = problems
        before, self._held[name] = self._held.get(name), settings
        if settings == before:
            return
        if settings != (before or BackendSettings()):
            values = settings_to_json(values_of(settings))
            became = f"set to {json.dumps(values)} at run time" if values else "as its file says again"
            logger.info("backend %s is %s", name, became)
        self._adjust(name, adjusted(backend, settings))
