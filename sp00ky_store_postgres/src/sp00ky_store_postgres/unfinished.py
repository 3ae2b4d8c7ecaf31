"""What the tables lack of what ``layout.py`` says, as findings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import attrs

from sp00ky_core.ports import Finding
from sp00ky_store_postgres.errors import MIGRATE
from sp00ky_store_postgres.options import PostgresOptions
from sp00ky_store_postgres.planning import plan
from sp00ky_store_postgres.refusing import TableRefused
from sp00ky_store_postgres.steps import STOPS, Planned
from sp00ky_store_postgres.tables import Tables

__all__ = ["unfinished"]


async def unfinished(connection: Any, tables: Tables, options: PostgresOptions) -> list[Finding]:
    """A finding for each thing that is missing; one only where there are no tables yet."""
    try:
        planned = await plan(connection, tables, options)
    except TableRefused as error:
        return [_stops(tables, error.problem, error.mend)]
    created = {each.step.table for each in planned if each.step.creates_table}
    refused = _findings(_refused(planned, created))
    if created == tables.by_name.keys():
        names = ", ".join(sorted(created))
        return [*refused, _stops(tables, f"the tables aren't there yet: {names}", MIGRATE)]
    return refused + _findings(_missing(planned, created))


def _refused(planned: Iterable[Planned], created: Collection[str]) -> Iterator[Planned]:
    """A table that is to be made isn't, for the sake of one name."""
    for each in planned:
        if each.refused:
            yield attrs.evolve(each, stops_jobs=each.stops_jobs or each.step.table in created)


def _missing(planned: Sequence[Planned], created: Collection[str]) -> Iterator[Planned]:
    incomplete = {each.step.table for each in planned if not each.is_record}
    for each in planned:
        if each.is_record and each.step.table in incomplete:
            continue  # it comes with the rest
        if not each.refused and (each.step.table not in created or each.step.creates_table):
            yield each


def _findings(planned: Iterable[Planned]) -> list[Finding]:
    """A finding for each thing, however many steps it takes."""
    found = {
        (each.step.table, each.problem): Finding(
            stops_jobs=each.stops_jobs,
            subject=each.step.table,
            problem=each.problem,
            consequence=each.consequence,
            mend=each.mend,
        )
        for each in planned
    }
    return list(found.values())


def _stops(tables: Tables, problem: str, mend: str) -> Finding:
    return Finding(stops_jobs=True, subject=tables.schema, problem=problem, consequence=STOPS, mend=mend)
