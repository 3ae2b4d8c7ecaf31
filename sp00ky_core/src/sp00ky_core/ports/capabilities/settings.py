"""Promise that what operators set of backends at run time is kept, and followed by claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sp00ky_core.ports.operators import SettingsRecord
from sp00ky_core.ports.store_options import JobTable


class Settings(Protocol):
    """A store with ``capabilities.settings``. Without it ``set_backend`` raises ``CallUnsupported``.

    What the values mean is nothing to it: a runner reads them every 2 s, and says by ``use`` what follows.
    """

    async def change_settings(
        self,
        backend: str,
        values: Mapping[str, Any],
        *,
        seconds: float | None = None,
        actor: str | None = None,
    ) -> None:
        """Set values (JSON, by key) of a backend beside those that are set and hold.

        All of them end after ``seconds``; without, when those did that are set already, or with
        ``reset_settings``.
        """

    async def reset_settings(self, backend: str) -> bool:
        """Forget what is set of a backend; whether anything was."""

    async def settings(self) -> Mapping[str, SettingsRecord]:
        """Return what is set and holds now, by the database's clock, by backend."""

    def use(self, table: JobTable) -> None:
        """Lease and limit a backend's jobs as this table says, from the next claim on."""
