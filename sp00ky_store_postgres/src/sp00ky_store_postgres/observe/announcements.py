"""Announce to runners, of this process and others, that there may be work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence

import attrs

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.job import JobStatus
from sp00ky_core.ports import SettleFate, Settlement, SettleResult
from sp00ky_core.stores.ids import table_of
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.observe.notifications import NOTIFY
from sp00ky_store_postgres.url import PostgresOptions

logger: logging.Logger = logging.getLogger(__name__)


@attrs.frozen
class Announcements:
    """Wakes runners where no INSERT does."""

    _executor: Executor
    _options: PostgresOptions
    _wake: Callable[[], None]

    async def settled(self, settlements: Sequence[Settlement], results: Sequence[SettleResult]) -> None:
        """Announce those that are pending again."""
        due = [
            each.job_id
            for each, result in zip(settlements, results, strict=True)
            if result.fate is SettleFate.SETTLED and each.transition.to is JobStatus.PENDING
        ]
        await self.pending(due)

    async def pending(self, job_ids: Collection[str]) -> None:
        """Announce jobs that are pending again, some of them perhaps older than those claimed now."""
        if job_ids:
            await self.tables({table_of(job_id) for job_id in job_ids})

    async def tables(self, names: Collection[str]) -> None:
        """Announce that claims from these tables may find something else than before.

        What has been written stays where other processes can't be notified.
        """
        self._wake()
        if not self._options.notify:
            return
        try:
            for name in names:
                await self._executor.fetch(Workload.REST, NOTIFY, f"{self._options.schema}.{name}")
        except Sp00kyError as error:
            logger.warning("other runners find new work by polling, for they can't be notified: %s", error)
