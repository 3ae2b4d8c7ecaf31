"""Rows whose id leads nowhere once it is written down: a key that holds a record range, an infinite number...

No later statement would find such a row, so no attempt of it could ever be settled: it is never sent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from sp00ky_core.errors import StoreError
from sp00ky_core.job import Job
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.errors import NO_ROWS_FAULT
from sp00ky_store_surreal.queries import quoted, surql
from sp00ky_store_surreal.reading import Raw

__all__ = ["end_unnameable"]

_log = logging.getLogger(__name__)

REASON = "its id can't be written down: no statement that names it finds it"

ENTRY = """
  errors = [
    { at: time::now(), attempt: 1, code: 0, name: 'invalid_row', reason: $reason, runner_id: NONE }
  ],"""


async def end_unnameable(
    connection: Connection, table: JobTable, ids: Iterable[Raw], found: Iterable[Job]
) -> None:
    """Settle those rows as failed that are ``processing`` and weren't found by their ids."""
    named = {job.id for job in found}
    texts = [each for each in ids if isinstance(each, str) and each not in named]
    if not texts:
        return
    for errors in (ENTRY, ""):  # the user's table may refuse entries
        statement = surql("end_unnameable", table=quoted(table.table), errors=errors)
        try:
            ended = (await connection.write(statement, texts=texts, reason=REASON))[-1]
        except NO_ROWS_FAULT:
            raise
        except StoreError as error:
            problem = str(error)
        else:
            if ended:  # else they are gone meanwhile
                _log.warning("%s failed: invalid_row: %s", ", ".join(texts[:10]), REASON)
            return
    _log.error("%s can't be ended (%s): %s", ", ".join(texts[:10]), REASON, problem)
