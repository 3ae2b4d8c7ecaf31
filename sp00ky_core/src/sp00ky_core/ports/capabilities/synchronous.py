"""Promise to enqueue, read and migrate on callers' blocking connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports.capabilities.checks import MigrationStep
from sp00ky_core.ports.query import JobQuery


class SynchronousEnqueue(Protocol):
    """A store with ``capabilities.synchronous``: it works on callers' blocking connections.

    Its calls block the thread that they are made in, need no event loop and start no thread, and may be made
    in several threads at once, each with its connection; the store needn't be open.
    """

    def add_in(self, connection: object, new_jobs: Sequence[NewJob]) -> list[Job]:
        """Insert pending jobs in the connection's transaction; see ``Store.add``.

        Raises:
            OptionInvalid: ``connection`` is of no kind that this store knows, is asynchronous, closed, or
                outside a transaction.
        """

    def get_in(self, connection: object, job_id: str) -> Job:
        """Return one job as the connection sees it. Raises ``JobNotFound``."""

    def find_in(self, connection: object, query: JobQuery) -> list[Job]:
        """List jobs as the connection sees them, newest first."""


@runtime_checkable
class SynchronousMigrate(Protocol):
    """Migrate on a caller's blocking connection: an ability beside ``SynchronousEnqueue``.

    For databases that have no other connection: one in memory, as tests have.
    """

    def migrate_in(self, connection: object, *, only_plan: bool = False) -> list[MigrationStep]:
        """Migrate in the connection's transaction, as ``Store.migrate``; the store needn't be open.

        With ``only_plan`` only list what would be done, as ``Store.migration``.
        """
