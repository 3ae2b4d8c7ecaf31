"""Names that are taken: tables, indexes, views and sequences of a schema share theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from sp00ky_store_postgres.options import PostgresOptions
from sp00ky_store_postgres.refusing import TableRefused
from sp00ky_store_postgres.statements import quoted, read_sql
from sp00ky_store_postgres.steps import Planned
from sp00ky_store_postgres.tables import Tables

__all__ = ["refuse_taken", "with_names_seen"]

KINDS = {"r": "a table", "p": "a table", "v": "a view", "m": "a view", "S": "a sequence"}


async def with_names_seen(connection: Any, planned: Sequence[Planned], tables: Tables) -> list[Planned]:
    """The same steps; those that would make an index whose name is taken have become refused.

    CREATE INDEX IF NOT EXISTS would do nothing there, each time.
    """
    wanted = [each.makes for each in planned if each.makes]
    rows = await connection.fetch(read_sql("catalog_names"), tables.schema, wanted) if wanted else []
    holders = {row["name"]: row for row in rows}
    return [_seen(each, holders, tables) for each in planned]


def refuse_taken(planned: Sequence[Planned], options: PostgresOptions) -> None:
    """Raise ``TableRefused`` for the first step that is refused."""
    for each in planned:
        if each.refused:
            raise TableRefused(store=options.location, problem=each.problem, mend=each.mend)


def _seen(step: Planned, holders: Mapping[str, Any], tables: Tables) -> Planned:
    name, table = step.makes, step.step.table
    if name in tables.by_name:
        two = f"backends {tables.by_name[table].backend!r} and {tables.by_name[name].backend!r}"
        return _refused(step, "the job table of another backend", f"give one of {two} another method.table")
    if name is None or name not in holders or holders[name]["owner"] == table:
        return step
    holder = holders[name]
    kind = KINDS.get(holder["kind"], "a relation")
    rename = f"ALTER TABLE {quoted(tables.schema, name)} RENAME TO ..."  # of any kind of relation
    return _refused(
        step,
        f"an index of table {holder['owner']}" if holder["owner"] else kind,
        f"rename that ({rename}), or give backend {tables.by_name[table].backend!r} another method.table",
    )


def _refused(step: Planned, holder: str, mend: str) -> Planned:
    problem = f"index {step.makes} can't be made: {holder} has that name"
    return attrs.evolve(step, problem=problem, mend=mend, refused=True)
