"""Complete ids that were shortened to what is unique."""

from __future__ import annotations

from collections.abc import Collection

from sp00ky_core.errors import JobIdAmbiguous, JobNotFound
from sp00ky_core.job import Job
from sp00ky_core.outbox import Outbox
from sp00ky_core.ports import ShortIds, has

SHORTEST_GENERATED = 20
"""Characters of a key. A shorter one was chosen by a client: what begins like it isn't meant by it."""

LONGEST_SHORT = 31
"""Characters of a key. A longer one isn't shortened: ours have 32."""


async def job_of(outbox: Outbox, given: str) -> Job:
    """Get the job of an id that may be shortened.

    Raises:
        JobNotFound: No job's id begins so.
        JobIdAmbiguous: Several do.
    """
    try:
        return await outbox.get(given)
    except JobNotFound:
        found = await beginning_with(outbox, given)
        if not found:
            raise
    if len(found) > 1:
        raise JobIdAmbiguous(job_id=given, candidates=tuple(found[:2]))
    return await outbox.get(found[0])


async def beginning_with(outbox: Outbox, given: str, *, gone: Collection[str] = ()) -> list[str]:
    """List ids that begin so, at most two of each table, which may be left out; ``gone`` are just deleted."""
    key = given.partition(":")[2] if ":" in given else given
    if not 0 < len(key) <= LONGEST_SHORT:
        return []
    tables = dict.fromkeys(backend.table.table for backend in outbox.backends.values())
    prefixes = [given] if ":" in given else [f"{table}:{given}" for table in tables]
    store = has(outbox.store, ShortIds)
    found = [each for prefix in prefixes if store for each in await store.ids_starting_with(prefix)]
    found += [each for each in gone if each.startswith(tuple(prefixes))]
    return [each for each in dict.fromkeys(found) if len(each.partition(":")[2]) >= SHORTEST_GENERATED]
