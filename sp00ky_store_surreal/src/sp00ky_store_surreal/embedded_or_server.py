"""Write what the engine in this process (2.3) and a server (3.x) must be asked in different words.

A module that does something only for one of them asks ``Target.embedded``; wording is chosen here alone.
"""

from __future__ import annotations

import attrs

from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.surql.durations import duration_text
from sp00ky_store_surreal.surql.loader import quoted, surql

RANKS = (3, 2, 1, 0)
"""The priorities, in the order of claims."""


@attrs.frozen(kw_only=True)
class Dialect:
    """Words statements for one kind of database.

    Attributes:
        is_pending_job: Name of the condition for pending jobs beside others that an index answers.
        beside_writers: How an index is built while others write.
        finds_none: Whether an index finds rows in which a column is ``NONE``.
        counts_rightly: Whether a count by an index heeds the other conditions, too.
    """

    is_pending_job: str
    beside_writers: str
    finds_none: bool
    counts_rightly: bool

    def group(self, rank: int) -> str:
        """Write the condition for jobs of a priority that have no ordering_key."""
        if self.finds_none:
            return f"claim_group = {rank or 'NONE'} AND ordering_at = NONE"
        return f"claim_group = {rank}" if rank else "claim_group < 1"  # NONE is less than any number

    def first_pending(self, table: JobTable) -> str:
        """Write an expression for ``run_at`` of the first pending jobs that have no ordering_key.

        Of each priority, the jobs that are due first are among them.
        """
        name = "first_pending" if self.finds_none else "first_pending_in_one_range"
        names = {"table": quoted(table.table)}
        firsts = [surql(name, group=self.group(rank), **names).strip() for rank in RANKS]
        return f"array::flatten([{', '.join(firsts)}])"


EMBEDDED = Dialect(
    is_pending_job="is_job",  # a cast takes its planner off the index
    beside_writers="",
    finds_none=False,
    counts_rightly=False,
)

SERVER = Dialect(
    is_pending_job="is_pending_job",
    beside_writers=" CONCURRENTLY",
    finds_none=True,
    counts_rightly=True,
)


def lease_names(table: JobTable) -> dict[str, str]:
    """Return the places of statements that ask whether a lease is over, or which rows are jobs."""
    return {"table": quoted(table.table), "longest_lease": duration_text(table.longest_lease)}
