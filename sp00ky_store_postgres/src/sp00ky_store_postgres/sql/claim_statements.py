"""Build the statements of claims and probes, and those that say when there will be more to claim."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import count

from sp00ky_core.ports import PROBE_LATEST, PROBE_WINDOW, JobTable
from sp00ky_store_postgres.rows import CLAIMED, claimed_columns
from sp00ky_store_postgres.schema.tables import Tables, lease_over, lease_seconds, leased
from sp00ky_store_postgres.sql.loader import literal

PRIORITIES = (3, 2, 1, 0)
"""In the order of a claim's arguments."""

MOST_KEYS = 500
"""Ordering keys that one claim looks at, in each table; each costs a descent of their index."""

LOCKING = "FOR NO KEY UPDATE SKIP LOCKED"
LOCKING_JOB = "FOR NO KEY UPDATE OF job SKIP LOCKED"
NULLS = ", ".join(["NULL"] * (len(CLAIMED) - 2))
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
        parts = [self._of_all("claim_state", tables)]
        for number, table in enumerate(tables):
            parts += self._share(number, table, places, keyed=table.table in keyed)
        union = [f"TABLE share_{number}" for number in range(len(tables))]
        union += [
            self._sql("claim_keys_seen" if table.table in keyed else "claim_keyed_marker", table, number)
            for number, table in enumerate(tables)
        ]
        union += [self._of_all("claim_paused", tables), self._breakers(tables, keyed)]
        return f"WITH RECURSIVE {', '.join(parts)} {' UNION ALL '.join(union)}"

    def probe(self, table: JobTable, *, keyed: bool) -> str:
        """Build a probe; its arguments are the runner, the routes, and whose turn it is."""
        due = self._due(table, limit=str(PROBE_WINDOW), keyed=keyed)
        left_out = self._set_aside(table, "due")
        return self._sql(
            "probe",
            table,
            all_keys=f"{self._keys(table)}, " if keyed else "",
            due=due,
            latest=self._sql("probe_latest", table, left_out=left_out, limit=str(PROBE_LATEST)),
            heeding=self._sql("heeding_pause", table),
            probe_lease=f"{table.probe_lease!r}::float8",
        )

    def trial(self, table: JobTable, *, since: Sequence[str], after: str, limit: str) -> str:
        """Build what lists the rows that a claim would take."""
        due = self._due(table, since=since, limit=limit, keyed=True, locks=True)
        return self._sql("claim_refusal_trial_rows", table, all_keys=self._keys(table, after=after), due=due)

    def next_due(self, tables: Sequence[JobTable], *, claimable: bool) -> str:
        """Build what says when the next job is due; ``claimable``: of backends that nothing holds back."""
        return " UNION ALL ".join(
            self._sql(
                "next_due",
                table,
                all_keys=self._keys(table),
                unpaused=self._unpaused(table) if claimable else "",
                left_out=self._set_aside(table, "job"),
                after_leases=self._after_leases(table),
                keys_left_out=self._left_out(table, "keys"),
            )
            for table in tables
        )

    def _set_aside(self, table: JobTable, row: str) -> str:
        """Leave out what a claim passes over among the jobs without an ordering key."""
        counted = "" if table.max_in_flight is None else f"AND {lease_over(table, row)}"
        return f"{self._left_out(table, row)} {counted}"

    def _after_leases(self, table: JobTable) -> str:
        if table.max_in_flight is None:
            return ""
        return self._sql("next_after_leases", table, left_out=self._left_out(table, "job"))

    def _share(self, number: int, table: JobTable, places: Iterator[str], *, keyed: bool) -> Iterator[str]:
        limit = next(places)
        since = [f"{next(places)}::timestamptz" for _ in PRIORITIES]
        if keyed:
            yield self._keys(table, number, after=f"{next(places)}::text")
        else:
            yield self._sql("claim_has_keys", table, number)
        heeded = ["claim_heeding", *["claim_heeding_keys"] * (not keyed)]
        heeded += ["claim_heeding_breaker"] * table.breaker
        heeding = " ".join(self._sql(name, table, number) for name in heeded)
        due = self._due(
            table, number, since=since, limit=limit, heeding=heeding, keyed=keyed, locks=True
        )  # fmt: skip
        yield self._sql("claim", table, number, share=f"share_{number}", due=due)

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
        parts = {"limit": limit, "heeding": heeding}
        ready = self._sql(
            "claim_ready",
            table,
            left_out=self._set_aside(table, "due"),
            locking=LOCKING if locks else "",
            **{f"since_{priority}": each for priority, each in zip(PRIORITIES, since, strict=True)},
            **parts,
        )
        if not keyed:
            return ready
        heads = self._sql("claim_heads", table, number, left_out=self._left_out(table, "keys"), **parts)
        locking = LOCKING_JOB if locks else ""
        return self._sql("claim_merged", table, ready=ready, heads=heads, locking_job=locking, **parts)

    def _keys(self, table: JobTable, number: int = 0, *, after: str = "''") -> str:
        return self._sql("claim_first_of_each_key", table, number, after=after, most=str(MOST_KEYS))

    def _of_all(self, name: str, tables: Sequence[JobTable], **parts: str) -> str:
        """Fill in a statement about all of these tables."""
        backends = ", ".join(literal(table.backend) for table in tables)
        return self._tables.statement(name, backends=backends, nulls=NULLS, **parts)

    def _breakers(self, tables: Sequence[JobTable], keyed: Collection[str]) -> str:
        may_probe = [
            self._sql(
                "claim_may_probe",
                table,
                # Whether one of those could be it is for the probe itself to find out.
                keyed="true" if table.table in keyed else "false",
                left_out=self._set_aside(table, "due"),
            )
            for table in tables
            if table.breaker
        ]
        return self._of_all("claim_breakers", tables, may_probe=" OR ".join(may_probe) or "false")

    def _unpaused(self, table: JobTable) -> str:
        names = ["heeding_pause", *["unpaused"] * table.breaker]
        return " ".join(self._sql(name, table) for name in names)

    def _sql(self, name: str, table: JobTable, number: int = 0, /, **parts: str) -> str:
        """Fill in a statement, or a part of one, about one table: the ``number``th of the whole."""
        return self._tables.statement(
            name,
            table,
            returned=claimed_columns(number, table),
            keys=f"keys_{number}",
            backend=literal(table.backend),
            lease=lease_seconds(table),
            leased=leased(table),
            nulls=NULLS,
            **parts,
        )
