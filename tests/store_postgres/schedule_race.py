"""Race for a schedule's fires with other processes; ``python -m`` this module."""

import asyncio
import sys

from tests.firing import NAME, fire_of

from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_store_postgres import PostgresStore


async def race(url: str, until: int) -> int:
    """Fire until the schedule has this revision, against others; return how often this process did."""
    store, fired = PostgresStore(StoreOptions(url=url, tables=(JobTable(backend="api", table="job"),))), 0
    await store.open()
    while (snapshot := await store.schedules()).schedules[NAME].revision < until:
        fired += await store.change_schedule(fire_of(snapshot)) is not None
    await store.close()
    return fired


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(race(sys.argv[1], int(sys.argv[2])))))
