"""Read how many attempts at a time other tools of a Sp00ky project allow a job table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from surrealdb import RecordID

from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.connection.conflict_retries import Connection
from sp00ky_store_surreal.errors import TableMissing
from sp00ky_store_surreal.surql.loader import surql

POLICY = "_00_job_policy"
"""The table in which other tools of a Sp00ky project set a job table's ``concurrency``."""


async def read_policies(connection: Connection, tables: Sequence[JobTable]) -> Mapping[str, Any]:
    """Read the ``concurrency`` that other tools of a Sp00ky project have set, by backend."""
    policies = {table.table: table.backend for table in tables}
    rows: list[Mapping[str, Any]] = []
    with suppress(TableMissing):  # a project without such tools
        ids = [RecordID(POLICY, table) for table in policies]
        rows = (await connection.read(surql("concurrency_policies"), policies=ids))[-1]
    return {policies[row["id"].id]: row["concurrency"] for row in rows}
