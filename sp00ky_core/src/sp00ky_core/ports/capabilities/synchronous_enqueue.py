"""Promise to enqueue and read on callers' blocking connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports.query import JobQuery

__all__ = ["SynchronousEnqueue"]


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
