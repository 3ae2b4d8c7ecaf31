"""Promise to migrate on a caller's blocking connection."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from sp00ky_core.ports.findings import MigrationStep

__all__ = ["SynchronousMigrate"]


@runtime_checkable
class SynchronousMigrate(Protocol):
    """Migrate on a caller's blocking connection: an ability beside ``SynchronousEnqueue``.

    For databases that have no other connection: one in memory, as tests have.
    """

    def migrate_in(self, connection: object, *, only_plan: bool = False) -> list[MigrationStep]:
        """Migrate in the connection's transaction, as ``Store.migrate``; the store needn't be open.

        With ``only_plan`` only list what would be done, as ``Store.migration``.
        """
