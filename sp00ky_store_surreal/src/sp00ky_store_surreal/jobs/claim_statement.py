"""Write a claim's statement: all backends' parts, and what they bind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.fleet.breaker import longest_bindings
from sp00ky_store_surreal.fleet.limit import limit_bindings, limited
from sp00ky_store_surreal.jobs.claim_window import ClaimIndex, Groups, Heads, Peers
from sp00ky_store_surreal.row_loading import claimed_lengths
from sp00ky_store_surreal.surql.claim_parts import (
    RANKS,
    bindings_of,
    but,
    chosen,
    lone_due_ids,
    longest_lease,
    shared_due_ids,
    unleased,
    until_of,
    within,
)
from sp00ky_store_surreal.surql.loader import NUL, quoted, surql

Slots = Sequence[tuple[JobTable, int]]


@attrs.frozen(kw_only=True)
class ClaimWriter:
    """Writes claims of one runner.

    Attributes:
        runner_id: The runner's.
        groups: What claims have seen.
        index: Whether the index of claims can be trusted.
        skipped: Binds the rows that are passed over; empty where there are none.
    """

    runner_id: str
    groups: Groups
    index: ClaimIndex
    skipped: Mapping[str, Any]

    def alone(self, slots: Slots) -> tuple[str, dict[str, Any]]:
        """Write a claim that no other runner competes with."""
        statement, bindings = surql("claim_shut_backends"), self._bindings(slots)
        for number, (table, _) in enumerate(slots):
            n, passed = str(number), but(self.skipped, jobs_of=table) + unleased(table)
            ranks = RANKS if self._looks_wide(table) else (0,)
            due = {rank: lone_due_ids(table, n, rank, passed=passed) for rank in ranks}
            places = {"table": quoted(table.table), "n": n, "live": self._live(table)}
            own = ", lease_until" if table.timeout_overridable else ""
            part = surql("claim_embedded", until=until_of(table, n), own=own, **places)
            statement += self._claimed(n, table, due, part, slots)
        return _all_or_none(statement, slots), bindings

    def among_others(
        self, slots: Slots, heads: Heads, peers: Peers, *, mixed: set[str], row: str
    ) -> tuple[str, dict[str, Any]]:
        """Write a claim that others compete with.

        Args:
            slots: How many jobs of each table.
            heads: Where they begin.
            peers: Where this runner's own begin.
            mixed: Tables that hold rows that are no jobs.
            row: What is returned of each row that isn't too long.
        """
        statement, bindings = surql("claim_shut_backends"), self._bindings(slots)
        for number, (table, count) in enumerate(slots):
            n, start = str(number), peers.start(self.runner_id, count)
            passed = but(self.skipped, jobs_of=table if table.table in mixed else None) + unleased(table)
            passed += self.index.asked(table).pending
            names = {"table": quoted(table.table), "n": n, "but": passed}
            due = {}
            for rank in RANKS if self._looks_wide(table) else (0,):
                bindings[f"head{n}_{rank}"] = head = heads.at(table, rank)
                due[rank] = shared_due_ids(names, rank, head, beyond=start > 0)
            part = surql(
                "claim_shared",
                n=n,
                table=quoted(table.table),
                until=until_of(table, n),
                row=row,
                live=self._live(table),
                within=within(embedded=False),
            )
            statement += self._claimed(n, table, due, part, slots)
            bindings |= {f"start{n}": start, f"most{n}": count + len(self.skipped.get("skipped", ()))}
        return _all_or_none(statement, slots), bindings

    def _bindings(self, slots: Slots) -> dict[str, Any]:
        bindings: dict[str, Any] = {"runner": self.runner_id, **NUL, **self.skipped}
        bindings |= longest_bindings(table for table, _ in slots)
        for number, (table, count) in enumerate(slots):
            bindings |= {**bindings_of(number, table, count), **limit_bindings(table)}
            bindings |= claimed_lengths(table).bindings(str(number))
            bindings[f"after{number}"] = self.groups.after(table)
        return bindings

    def _claimed(self, n: str, table: JobTable, due: Mapping[int, str], part: str, slots: Slots) -> str:
        """Write a backend's choice and claim; stale keys are freed in the claim's own transaction."""
        choice, asked = self._choice(n, table, due), self.index.asked(table)
        if not self._looks_wide(table):
            return limited(choice, part, table, n, asked=asked)
        part = surql("claim_lift_stale_keys", n=n, longest_lease=longest_lease(table)) + part
        return limited(choice, part, table, n, at_once=len(slots) == 1, asked=asked)

    def _choice(self, n: str, table: JobTable, due: Mapping[int, str]) -> str:
        if not self._looks_wide(table):
            return surql(
                "claim_choice_by_age",
                n=n,
                table=quoted(table.table),
                due=due[0],
                pending=self.index.asked(table).pending,
            )
        return chosen(n, table, due, skips=bool(self.skipped), asked=self.index.asked(table))

    def _looks_wide(self, table: JobTable) -> bool:
        return self.groups.are_in(table)

    def _live(self, table: JobTable) -> str:
        """Keep the ordering_key, and take away what marked an attempt of before as under way."""
        return ", ordering_live = ordering_key" if self._looks_wide(table) or table.has_limits else ""


def _all_or_none(statement: str, slots: Slots) -> str:
    """Claim in one transaction: a backend's rows would be lost where another's collide, or are refused."""
    return f"BEGIN;{statement}COMMIT;" if len(slots) > 1 else statement
