"""Claim due jobs of all backends in one statement, and say when there will be more.

From top to bottom: ``Claims``, then how far claims have got, the rows that the database refuses to have
claimed, and the statements.
"""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import cache, partial
from itertools import chain, count
from operator import itemgetter
from typing import Any

import attrs

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import RowRefused
from sp00ky_core.gate.breaker import Breaker, BreakerState
from sp00ky_core.job.job import Job
from sp00ky_core.ports import Claim, JobTable
from sp00ky_core.stores import PASSED, Allowance
from sp00ky_core.stores.decisions import BEGINNING
from sp00ky_core.stores.ids import table_of
from sp00ky_core.stores.refused_writes import Quarantine
from sp00ky_store_kit import Access
from sp00ky_store_kit.jobs.claim import Claiming, joined
from sp00ky_store_kit.jobs.due import Rounds
from sp00ky_store_postgres.connection.callers import Fetch
from sp00ky_store_postgres.connection.connect import Workload
from sp00ky_store_postgres.connection.statements import Executor, Row
from sp00ky_store_postgres.errors import constraint_of
from sp00ky_store_postgres.ids import key_of
from sp00ky_store_postgres.rows import claimed_jobs
from sp00ky_store_postgres.schema.definition import Tables, object_name
from sp00ky_store_postgres.selects import BESIDE, CLAIMED, KEY, PRIORITY, RUN_AT, claimed_columns
from sp00ky_store_postgres.sql.loader import literal

logger: logging.Logger = logging.getLogger(__name__)

PRIORITIES = (3, 2, 1, 0)
"""The places of a claim's arguments, in their order."""
MOST_KEYS = 500
"""Ordering keys that one claim looks at, in each table; each costs a descent of their index."""

UNCLAIMED_SECONDS = 5.0
"""Seconds for which something must have been due that no claim has got, until that is logged."""
START_OVER_SECONDS = 0.25
"""Seconds for which a job that was committed late may wait behind younger ones of a backlog."""


@attrs.define
class _Seen:
    """Holds whose claim it is, what it finds beside jobs, by backend, and whose probe it may take."""

    runner_id: str
    breakers: dict[str, Breaker] = attrs.field(factory=dict)
    to_probe: set[str] = attrs.field(factory=set)
    paused: dict[str, float] = attrs.field(factory=dict)
    retry_in: dict[str, float] = attrs.field(factory=dict)
    keys: dict[str, dict[str, Any]] = attrs.field(factory=dict)

    def take(self, rows: list[Row]) -> None:
        """Take out the rows that are no jobs, but say something of a backend: they come last."""
        self.keys.clear()
        while rows and rows[-1][BESIDE] is not None:
            self._note(**decode(rows.pop()[BESIDE]))

    def _note(
        self,
        backend: str,
        *,
        keys: dict[str, Any] | None = None,
        pause: dict[str, Any] | None = None,
        breaker: dict[str, Any] | None = None,
        may_probe: bool = False,
    ) -> None:
        if keys is not None:
            self.keys[backend] = keys
        if pause is not None:
            self.paused[backend] = math.inf if pause["seconds"] is None else float(pause["seconds"])
        if breaker is not None:
            state = BreakerState(breaker["state"])
            self.breakers[backend] = seen = Breaker(**{**breaker, "state": state})
            if may_probe and seen.wants_probe:
                self.to_probe.add(backend)

    def claim(self, jobs: Sequence[Job]) -> Claim:
        """Return the claim of these jobs."""
        return Claim(jobs, breakers=self.breakers, paused=self.paused, retry_in=self.retry_in)


class Claims:
    """Claims due jobs, and says when there will be more.

    A few times a second a claim starts from the beginning, for what was committed late, or failed and is due
    again.
    """

    def __init__(self, executor: Executor, quarantine: Quarantine, claimed: Callable[[], None]) -> None:
        self._executor = executor
        self._claimed = claimed
        self._tables = executor.tables
        self._cursors: defaultdict[str, ClaimCursor] = defaultdict(ClaimCursor)  # by table
        self._begun_at = -math.inf  # when one has started from the beginning
        self._quarantine = quarantine
        self._unreported: RowRefused | None = None  # a runner without any other job ends with it
        self._statements = ClaimStatements(self._tables)
        self._statement = cache(self._build)
        self._rounds = Rounds()  # of the kit's claims
        self._due_since: float | None = None  # since when something has been due, and no claim got anything

    def start_over(self) -> None:
        """Start the next claims at the oldest job: one may be due that is older than the last claimed."""
        for cursor in self._cursors.values():
            cursor.reached.clear()

    def forget_statements(self) -> None:
        """Build claims anew: a table's leases or limits are others, or what is refused."""
        self._statement.cache_clear()

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``."""
        refused = self._quarantine.resting("claimed")
        if refused != self._statements.refused:
            self._statements.refused = refused
            self.forget_statements()
        fetch, seen = partial(self._executor.fetch, Workload.CLAIM), _Seen(runner_id)
        tables = self._tables.by_backend
        free = {name: n for name, n in slots_by_backend.items() if not tables[name].has_limits}
        try:
            claim = seen.claim(await self._claim_due(free, seen, fetch))
        except RowRefused as error:
            claim = await self._claim_apart(free, seen, error=error)
        for backend, slots in slots_by_backend.items():
            if backend not in free:
                claim = joined(claim, await self._claim_limited(backend, slots, seen, claim))
        for backend in sorted(seen.to_probe - seen.paused.keys()):
            if slots_by_backend[backend] > 0:
                claim = joined(claim, await self._claim_apart({backend: 1}, seen, claim))
        self._report(claim)
        if claim:
            self._claimed()
        return claim

    async def _claim_apart(
        self, slots: Mapping[str, int], seen: _Seen, own: Sequence[Job] = (), error: RowRefused | None = None
    ) -> Claim:
        """Claim as the kit does, each row in a savepoint: a probe, or where the database has refused a row.

        Its rule is a CHECK or a trigger of the user's, or the index of ordering keys, where another claim was
        faster. Refused rows are left out for a while; then the rule may have been corrected.

        Args:
            slots: how many jobs of which backends.
            seen: whose they become.
            own: what is this runner's already: the next claim without any raises what is refused.
            error: what the database has said.
        """
        self.start_over()  # of what it may have got as far as, nothing is written
        wanted = {self._tables.by_backend[backend]: number for backend, number in slots.items()}
        known: dict[str, Any] = {"refused": self._quarantine, "rounds": self._rounds}
        claiming = Claiming(slots=wanted, runner_id=seen.runner_id, apart=True, quiet=True, **known)
        claim = Claim()
        try:
            claim = await self._executor.do(claiming.claim, Access.WRITE, claims=True)
        except RowRefused as another:
            error = another
        if claiming.problems:
            job_id, problem = next(iter(claiming.problems.items()))
            text = f"job {job_id} can't be claimed, pending as before: {problem}; correct the row or the rule"
            self._unreported = RowRefused(store=self._executor.location, problem=text)
            # The runner reports the error.
            self._quarantine.add("claimed", claiming.problems, problem, level=logging.WARNING)
        guards = {object_name(table.table, "ordering") for table in wanted}
        is_explained = error is None or claiming.problems or constraint_of(error) in guards
        if error is not None and not (claim or own or is_explained):
            raise error
        return claim

    # Of backends with limits: in a transaction of its own.

    async def _claim_limited(self, backend: str, slots: int, seen: _Seen, others: Sequence[Job]) -> Claim:
        table = self._tables.by_backend[backend]

        async def work(connection: Any) -> Claim:
            async with connection.transaction(isolation="read_committed"):
                return await self._claim_allowed(table, slots, seen, connection.fetch)

        try:
            return await self._executor.run(Workload.CLAIM, work)
        except RowRefused as error:
            return await self._claim_apart({backend: slots}, seen, others, error)

    async def _claim_allowed(self, table: JobTable, slots: int, seen: _Seen, fetch: Fetch) -> Claim:
        """Lock a backend's row, count, claim what its limits allow, take tokens."""
        backend, statement, locked = table.backend, self._tables.statement, None
        for lock in ("control_lock", "control_make"):
            locked = locked or await fetch(statement(lock), backend)
        if not locked:
            return Claim(retry_in={backend: PASSED})
        (tokens, at, now, _), in_flight = locked[0], 0
        if table.max_in_flight is not None:  # in a statement that sees what the claims before have written
            ((in_flight,),) = await fetch(statement("in_flight", table))
        allowance = Allowance.of(table, now, tokens=tokens, at=at, in_flight=in_flight)
        granted = {backend: allowance.grant(slots)}
        claim = seen.claim(await self._claim_due(granted, seen, fetch))
        if (left := allowance.tokens_after(len(claim))) is not None:
            await fetch(statement("control_take"), backend, left, now)
        wait = allowance.retry_in(slots, len(claim))
        if wait is None or backend in claim.paused:
            return claim
        return joined(claim, Claim(retry_in={backend: wait}))

    def _report(self, claim: Claim) -> None:
        """Raise what no claim has raised yet where this one has no job; log that none gets what is due."""
        if not claim and self._unreported is not None:
            unreported, self._unreported = self._unreported, None
            raise unreported
        is_paused = any(breaker.state is not BreakerState.CLOSED for breaker in claim.breakers.values())
        if claim or is_paused or claim.paused or claim.retry_in:
            self._due_since = None
        elif self._due_since is not None and time.monotonic() - self._due_since >= UNCLAIMED_SECONDS:
            self._due_since = math.inf
            logger.warning(
                "jobs have been due for %.0f s and no claim gets one: transactions lock them, or a trigger "
                "on UPDATE returns NULL for them",
                UNCLAIMED_SECONDS,
            )

    # One claim.

    async def _claim_due(self, slots: Mapping[str, int], seen: _Seen, fetch: Fetch) -> list[Job]:
        wanted = [(table, slots[table.backend]) for table in self._tables.chosen(slots)]
        if not wanted:
            return []
        if time.monotonic() - self._begun_at > START_OVER_SECONDS:
            self.start_over()
        ahead = any(self._cursors[table.table].reached for table, _ in wanted)
        jobs, left = await self._claim_once(wanted, seen, fetch)
        again = [(table, places) for table, places, more in left if ahead or more is More.AT_ONCE]
        if again:
            self.start_over()
            try:
                jobs = (await self._claim_once(again, seen, fetch))[0] + jobs
            except RowRefused:
                if not jobs:  # those are this runner's already: the next claim meets that row again
                    raise
        return jobs

    async def _claim_once(
        self, wanted: Sequence[tuple[JobTable, int]], seen: _Seen, fetch: Fetch
    ) -> tuple[list[Job], list[tuple[JobTable, int, More]]]:
        """Claim up to so many rows of each table: jobs in their order, and where there were too few."""
        if not any(cursor.reached for cursor in self._cursors.values()):
            self._begun_at = time.monotonic()
        arguments = [self._cursors[table.table].arguments(slots) for table, slots in wanted]
        names = tuple(table.table for table, _ in wanted)
        keyed = frozenset(name for name in names if self._cursors[name].keyed)
        rows = [*await fetch(self._statement(names, keyed), seen.runner_id, *chain(*arguments))]
        seen.take(rows)
        rows.sort(key=itemgetter(RUN_AT, KEY))
        left = []
        for number, (table, slots) in enumerate(wanted):
            own = [row for row in rows if row[0] == number]
            more = self._note(table, slots, own, seen)
            if len(own) < slots:
                left.append((table, slots - len(own), more))
        rows.sort(key=itemgetter(PRIORITY), reverse=True)
        return claimed_jobs(rows, [table for table, _ in wanted], seen.runner_id), left

    def _build(self, names: tuple[str, ...], keyed: frozenset[str]) -> str:
        return self._statements.claim([self._tables.by_name[name] for name in names], keyed)

    def _note(self, table: JobTable, slots: int, rows: Sequence[Row], seen: _Seen) -> More:
        """Take note of how far a claim has got in a table."""
        cursor = self._cursors[table.table]
        cursor.reach(slots, rows)
        more = cursor.look(seen.keys.get(table.backend), filled=len(rows) >= slots)
        seen.retry_in.pop(table.backend, None)
        is_open = seen.breakers.get(table.backend, Breaker()).state is not BreakerState.CLOSED
        if more is More.NEXT and not is_open and table.backend not in seen.paused:
            seen.retry_in[table.backend] = 0.0
        return more

    async def next_due(self, backends: Collection[str], *, claimable: bool = False) -> float | None:
        """See ``Store.next_due``; ``claimable``: without jobs that a breaker or a pause keeps."""
        tables = self._tables.chosen(backends)
        if not tables:
            return None
        statement = self._statements.next_due(tables, claimable=claimable)
        rows = await self._executor.fetch(Workload.CLAIM, statement)
        due = max(min(row[0] for row in rows), 0.0) if rows else None
        if due != 0:
            self._due_since = None
        elif self._due_since is None:
            self._due_since = time.monotonic()
        return due


class More(Enum):
    """Whether another claim of a table finds jobs that this one hasn't looked at."""

    NO = "no"
    NEXT = "next"  # the caller's next claim goes on with further keys
    AT_ONCE = "at once"  # there are keys that no claim has looked at since they may have been due


@attrs.define
class ClaimCursor:
    """The place in the indexes of a table up to which claims have come.

    While there is a backlog, most claims start where the one before has ended: in front of that lie the index
    entries of jobs claimed since the last vacuum, and stepping over them would cost more each second. Of many
    ordering keys each claim looks at the next ones.

    Attributes:
        reached: By priority, ``run_at`` of the last job; empty: the next claim starts at the oldest one.
        keyed: The table has jobs with ordering keys, as far as is known.
        after: The last key that was looked at; empty: the next claim looks at the first ones.
        took_all: Whether every claim since the first keys has taken all that it found.
    """

    reached: dict[int, datetime] = attrs.field(factory=dict)
    keyed: bool = False
    after: str = ""
    took_all: bool = True

    def arguments(self, slots: int) -> list[object]:
        """Return the table's arguments of the claim that begins here."""
        after = [self.after] if self.keyed else []
        return [slots, *(self.reached.get(priority, BEGINNING) for priority in PRIORITIES), *after]

    def reach(self, slots: int, rows: Sequence[Row]) -> None:
        """Take note of the rows that a claim has got, the oldest first."""
        if rows and len(rows) == slots:
            self.reached.update((row[PRIORITY], row[RUN_AT]) for row in rows)
        else:
            self.reached.clear()

    def look(self, seen: Mapping[str, Any] | None, *, filled: bool) -> More:
        """Take note of the keys that a claim has looked at; say whether another claim finds more.

        Args:
            seen: what the claim says of the table's keys; without their number: there are some, and it took
                nothing; None: there are none.
            filled: it got as many jobs as it wanted.
        """
        if seen is None:
            return More.NO
        number, self.keyed = seen.get("looked_at"), True
        if number is None:
            return More.AT_ONCE
        if number >= MOST_KEYS:
            self.after, self.took_all = seen["last"], self.took_all and not filled
            return More.NO if filled else More.NEXT
        missed = not self.took_all and not filled
        self.keyed = bool(number or self.after)
        self.after, self.took_all = "", True
        return More.AT_ONCE if missed else More.NO


class ClaimStatements:
    """Builds the statements of claims and probes, and those that say when there will be more to claim.

    Those of a table that has jobs with ordering keys are others (``keyed``): what others don't have costs
    them nothing.

    Args:
        tables: The store's.

    Attributes:
        refused: The ids of rows that the database refuses, and that are left out.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.refused: list[str] = []

    def claim(self, tables: Sequence[JobTable], keyed: Collection[str]) -> str:
        """Build a claim from tables, some of them with ordering keys; ``sql/claim.sql`` has its arguments."""
        places = (f"${number}" for number in count(2))
        shares, rows = list[str](), [f"TABLE share_{number}" for number, _ in enumerate(tables)]
        for number, table in enumerate(tables):
            keys, due, parts = "any_key", "ready", {"limit": next(places)}
            levels = [f"({priority}, {next(places)}::timestamptz)" for priority in PRIORITIES]
            parts |= {"levels": ", ".join(levels), "claimable": self._sql("claimable", table, is_held="true")}
            if table.table in keyed:
                keys, due = "first_of_each_key", "ready_and_heads"
                parts["after"] = f"{next(places)}::text"
            else:
                parts["claimable"] += f" AND NOT EXISTS (SELECT FROM keys_{number})"
            parts |= {"keys": self._sql(keys, table, number, **parts)}
            parts |= {"due": self._sql(due, table, number, **parts)}
            shares.append(self._sql("share", table, number, **parts))
            rows.append(self._sql(f"{keys}_rows", table, number))
        may_probe = [
            self._sql("may_probe", table, is_keyed="true" if table.table in keyed else "false")
            for table in tables
            if table.breaker
        ]
        return self._tables.statement(
            "claim",
            backends=", ".join(literal(table.backend) for table in tables),
            no_job=NO_JOB,
            claimed_shares=" UNION ALL ".join(f"TABLE share_{number}" for number, _ in enumerate(tables)),
            shares=",\n".join(shares),
            rows="\nUNION ALL\n".join(rows),
            may_probe=" OR ".join(may_probe) or "false",
            **({"unflushed": "false"} if any(table.has_limits for table in tables) else {}),
        )

    def next_due(self, tables: Sequence[JobTable], *, claimable: bool) -> str:
        """Build what says when the next job is due; ``claimable``: of backends that nothing holds back."""
        parts = {} if claimable else {"claimable": ""}
        return " UNION ALL ".join(
            self._sql(
                "next_due",
                table,
                after_leases="" if table.max_in_flight is None else self._sql("next_after_leases", table),
                **parts,
            )
            for table in tables
        )

    def _sql(self, name: str, table: JobTable, number: int = 0, /, **parts: str) -> str:
        """Fill in a statement, or a part of one, about one table: the ``number``th of the whole."""
        ids = (job_id for job_id in self.refused if table_of(job_id) == table.table)
        keys = ",".join(filter(None, map(key_of, ids)))
        left_out = f"AND id <> ALL ('{{{keys}}}'::uuid[])" if keys else ""
        holds = self._tables.statement("lease_holds", table)
        counted = "" if table.max_in_flight is None else f"AND {holds} IS NOT TRUE"
        common = {
            "number": str(number),
            "after": "''",
            "returned": claimed_columns(number, table),
            "backend": literal(table.backend),
            "lease": lease_seconds(table),
            "left_out": left_out,
            "set_aside": f"{left_out} {counted}",  # of jobs without an ordering key
            "has_breaker": "true" if table.breaker else "false",
            "most_keys": str(MOST_KEYS),
            "no_job": NO_JOB,
        }
        return self._tables.statement(name, table, **{**common, **parts})


NO_JOB = ", ".join(["NULL"] * (1 + len(CLAIMED)))
"""What stands in a job's place in a row that says something beside jobs."""


def lease_seconds(table: JobTable) -> str:
    """Write ``JobTable.attempt_timeout`` and the margin as an expression on ``job``, in seconds."""
    if not table.timeout_overridable:
        return f"({table.timeout + table.lease_margin!r}::float8)"
    default = f"{table.timeout!r}::float8"
    own = f"CASE WHEN job.timeout IS NULL THEN {default} ELSE least(greatest(job.timeout, 1), 86400) END"
    return f"({own} + {table.lease_margin!r}::float8)"
