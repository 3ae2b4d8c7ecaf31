"""Build the statements of claims and probes, and those that say when there will be more to claim."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import count

from sp00ky_core.ports import PROBE_WINDOW, JobTable
from sp00ky_store_postgres.rows import CLAIMED_COLUMNS, DEFERRED_SINCE
from sp00ky_store_postgres.schema.tables import Tables, lease_seconds
from sp00ky_store_postgres.sql.loader import fill, lease_over, leased, literal, read_sql

__all__ = ["MOST_KEYS", "PRIORITIES", "ClaimStatements"]

PRIORITIES = (3, 2, 1, 0)
"""In the order of a claim's arguments."""

MOST_KEYS = 500
"""Ordering keys that one claim looks at, in each table; each costs a descent of their index."""

LOCKING = "FOR NO KEY UPDATE SKIP LOCKED"
LOCKING_JOB = "FOR NO KEY UPDATE OF job SKIP LOCKED"
NULLS = ", ".join(["NULL"] * (CLAIMED_COLUMNS - 3))
"""The rest of a row that says something else than a claimed job does: its number, no key, and a text."""

Condition = Callable[[JobTable, str], str]
"""Writes what leaves the refused rows of a table out; gets the name of the rows in the statement."""


class ClaimStatements:
    """Builds statements.

    Those of a table that has jobs with ordering keys are others (``keyed``): what others don't have costs
    them nothing.
    """

    def __init__(self, tables: Tables, left_out: Condition) -> None:
        self._tables = tables
        self._left_out = left_out

    def claim(self, tables: Sequence[JobTable], keyed: Collection[str]) -> str:
        """Build a claim from tables, some of them with ordering keys.

        Its arguments are the runner; then of each table the limit, where each priority's scan begins, and,
        where it is keyed, the key after which is looked.
        """
        places = (f"${number}" for number in count(2))
        parts = [self._filled("claim_state", tables)]
        for number, table in enumerate(tables):
            parts += self._share(number, table, places, keyed=table.table in keyed)
        union = [f"TABLE share_{number}" for number in range(len(tables))]
        union += [self._seen_keys(number, table, table.table in keyed) for number, table in enumerate(tables)]
        union += [self._filled("claim_paused", tables), self._breakers(tables, keyed)]
        return f"WITH RECURSIVE {', '.join(parts)} {' UNION ALL '.join(union)}"

    def probe(self, table: JobTable, *, keyed: bool) -> str:
        """Build a probe; its arguments are the runner and the routes."""
        due = self._due(table, limit=str(PROBE_WINDOW), keyed=keyed)
        return fill(
            read_sql("probe"),
            all_keys=f"{self._keys(table)}, " if keyed else "",
            due=due,
            read=read_sql("breaker_read"),
            heeding=self._heeding_pause(table),
            probe_lease=f"{table.probe_lease!r}::float8",
            **self._names(table),
        )

    def trial(self, table: JobTable, *, since: Sequence[str], after: str, limit: str) -> str:
        """Build what lists the rows that a claim would take."""
        return fill(
            read_sql("claim_trial_rows"),
            all_keys=self._keys(table, after=after),
            due=self._due(table, since=since, limit=limit, keyed=True, locks=True),
        )

    def next_due(self, tables: Sequence[JobTable], *, claimable: bool) -> str:
        """Build what says when the next job is due; ``claimable``: of backends that nothing holds back."""
        return " UNION ALL ".join(
            fill(
                read_sql("next_due"),
                all_keys=self._keys(table),
                keys="keys_0",
                unpaused=self._unpaused(table) if claimable else "",
                table=self._tables.name(table),
                leased=leased(),
                left_out=self._set_aside(table, "job"),
                after_leases=self._after_leases(table),
                keys_left_out=self._left_out(table, "keys"),
            )
            for table in tables
        )

    def _set_aside(self, table: JobTable, row: str) -> str:
        """Leave out what a claim passes over among the jobs without an ordering key."""
        counted = "" if table.max_in_flight is None else f"AND {lease_over(row)}"
        return f"{self._left_out(table, row)} {counted}"

    def _after_leases(self, table: JobTable) -> str:
        if table.max_in_flight is None:
            return ""
        parts = {"leased": leased(), "left_out": self._left_out(table, "job")}
        return fill(read_sql("next_after_leases"), table=self._tables.name(table), **parts)

    def _share(self, number: int, table: JobTable, places: Iterator[str], *, keyed: bool) -> Iterator[str]:
        limit = next(places)
        since = [f"{next(places)}::timestamptz" for _ in PRIORITIES]
        names = {**self._names(table, number), "keys": f"keys_{number}"}
        if keyed:
            yield self._keys(table, number, after=f"{next(places)}::text")
        else:
            yield fill(read_sql("claim_has_keys"), **names)
        heeded = ["claim_heeding", *["claim_heeding_keys"] * (not keyed)]
        heeded += ["claim_heeding_breaker"] * table.breaker
        heeding = " ".join(fill(read_sql(name), **names) for name in heeded)
        due = self._due(
            table, number, since=since, limit=limit, heeding=heeding, keyed=keyed, locks=True
        )  # fmt: skip
        yield fill(read_sql("claim"), share=f"share_{number}", due=due, **self._names(table, number))

    def _due(
        self,
        table: JobTable,
        number: int = 0,
        *,
        limit: str,
        keyed: bool,
        since: Sequence[str] = ("'-infinity'::timestamptz",) * len(PRIORITIES),
        heeding: str = "",
        locks: bool = False,
    ) -> str:
        parts = {"table": self._tables.name(table), "limit": limit, "heeding": heeding}
        ready = fill(
            read_sql("claim_ready"),
            left_out=self._set_aside(table, "due"),
            locking=LOCKING if locks else "",
            **{f"since_{priority}": each for priority, each in zip(PRIORITIES, since, strict=True)},
            **parts,
        )
        if not keyed:
            return ready
        heads = fill(
            read_sql("claim_heads"),
            keys=f"keys_{number}",
            leased=leased(),
            left_out=self._left_out(table, "keys"),
            **parts,
        )
        locking = LOCKING_JOB if locks else ""
        return fill(read_sql("claim_merged"), ready=ready, heads=heads, locking_job=locking, **parts)

    def _keys(self, table: JobTable, number: int = 0, *, after: str = "''") -> str:
        return fill(
            read_sql("claim_keys"),
            keys=f"keys_{number}",
            table=self._tables.name(table),
            after=after,
            most=str(MOST_KEYS),
        )

    def _seen_keys(self, number: int, table: JobTable, keyed: bool) -> str:
        return fill(
            read_sql("claim_keys_seen" if keyed else "claim_keyed"),
            keys=f"keys_{number}",
            **self._names(table, number),
        )

    def _filled(self, name: str, tables: Sequence[JobTable], **parts: str) -> str:
        return fill(
            read_sql(name),
            breaker=self._tables.breaker,
            control=self._tables.control,
            paused=read_sql("paused"),
            backends=", ".join(literal(table.backend) for table in tables),
            nulls=NULLS,
            **parts,
        )

    def _breakers(self, tables: Sequence[JobTable], keyed: Collection[str]) -> str:
        may_probe = [
            fill(
                read_sql("claim_may_probe"),
                # Whether one of those could be it is for the probe itself to find out.
                keyed="true" if table.table in keyed else "false",
                left_out=self._set_aside(table, "due"),
                **self._names(table),
            )
            for table in tables
            if table.breaker
        ]
        read = read_sql("breaker_read")
        return self._filled("claim_breakers", tables, read=read, may_probe=" OR ".join(may_probe) or "false")

    def _heeding_pause(self, table: JobTable) -> str:
        return fill(read_sql("heeding_pause"), **self._names(table))

    def _unpaused(self, table: JobTable) -> str:
        breaker = fill(read_sql("unpaused"), **self._names(table)) if table.breaker else ""
        return f"{self._heeding_pause(table)} {breaker}"

    def _names(self, table: JobTable, number: int = 0) -> dict[str, str]:
        return {
            "returned": fill(
                read_sql("claim_returned"),
                number=str(number),
                longest=str(table.max_payload_bytes),
                deferred_since=DEFERRED_SINCE,
            ),
            "table": self._tables.name(table),
            "breaker": self._tables.breaker,
            "control": self._tables.control,
            "paused": read_sql("paused"),
            "backend": literal(table.backend),
            "lease": lease_seconds(table),
            "nulls": NULLS,
        }
