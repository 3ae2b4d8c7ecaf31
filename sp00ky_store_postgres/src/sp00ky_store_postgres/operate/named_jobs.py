"""Write to jobs named by their ids; step over what the database refuses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sp00ky_core.ports import JobTable
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_core.stores.isolation import write_around
from sp00ky_store_postgres.connection.executor import Executor, Row


async def write_named(
    executor: Executor, name: str, job_ids: Sequence[str], *arguments: object
) -> dict[str, str | None]:
    """Run ``sql/<name>.sql`` for some jobs; their ids, each with why the database refuses that one.

    Args:
        executor: runs it.
        name: of a statement whose first argument are keys, and which returns those of the rows written.
        job_ids: the jobs; what names no table is left out.
        arguments: the other ones.
    """
    results: dict[str, str | None] = {}
    for table, keys in executor.tables.named(job_ids):
        write = partial(_write, executor, name, table, arguments)
        rows, refused = await write_around(keys, write)
        results |= {id_of(table.table, str(row[0])): None for row in rows}
        results |= {id_of(table.table, key): error.problem for key, error in refused.items()}
    return results


async def _write(
    executor: Executor, name: str, table: JobTable, others: Sequence[object], keys: Sequence[str]
) -> list[Row]:
    return await executor.query(name, keys, *others, table=table)
