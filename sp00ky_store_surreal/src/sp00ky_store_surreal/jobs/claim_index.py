"""Notice that the index of claims isn't what its table holds, and claim what is true of it all the same.

A server's LIMIT counts what an index shows, and rows that aren't so are left out afterwards: with a few of
them at the head of the queue a claim finds nothing. Where each row is asked, the LIMIT counts what there is.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence

from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.schema.indexes import looked_at
from sp00ky_store_surreal.surql.claim_parts import TRUSTED, Asked
from sp00ky_store_surreal.surql.loader import surql

_STATUS = surql("row_status").strip()

DOUBTED = Asked(pending=f" AND {_STATUS} = 'pending'", held=f" AND {_STATUS} = 'processing'")

_log = logging.getLogger(__name__)


class ClaimIndex:
    """Knows the tables whose index of claims differs from them; a table that lies is logged once."""

    def __init__(self, connection: Connection, tables: Sequence[JobTable]) -> None:
        self._connection = connection
        self._turns = itertools.cycle(dict.fromkeys(each.table for each in tables))
        self._untrue: set[str] = set()

    async def look(self) -> None:
        """Look at the next table, on a server; each in its turn, for it costs 5 ms."""
        if self._connection.target.embedded:
            return
        table = next(self._turns)
        problem = next((each.problem for each in await looked_at(self._connection, table)), None)
        if problem is None:
            self._untrue.discard(table)
        elif table not in self._untrue:
            self._untrue.add(table)
            _log.error(
                "table %r: its index sp00ky_claim isn't what it holds (%s); claims ask each row until it is "
                "rebuilt: run sp00ky migrate",
                table,
                problem,
            )

    def asked(self, table: JobTable) -> Asked:
        """Return what claims are to ask of each row: nothing where the index can be trusted."""
        return DOUBTED if table.table in self._untrue else TRUSTED
