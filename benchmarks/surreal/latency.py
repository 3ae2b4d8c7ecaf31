"""From a commit on a SurrealDB server to the start of the request, where LIVE wakes an idle runner."""

from __future__ import annotations

import json

from benchmarks.inprocess import OURS
from benchmarks.on_postgres.latency import Arrivals, Latencies, measured, section
from benchmarks.programs import sp00ky_run, started
from benchmarks.project import opened, project
from benchmarks.report import Section
from benchmarks.setting import Setting
from benchmarks.surreal.database import connected, rows, surreal

__all__ = ["run"]

CREATE = "CREATE job SET path = '/spookify', payload = $payload RETURN NONE"


async def run(setting: Setting) -> Section:
    jobs = setting.count(200, 10)
    arrivals = Arrivals()
    taken: list[Latencies] = []
    with surreal() as server:
        async with (
            server.database() as url,
            arrivals.listening() as target,
            opened(store=url, base_url=target),
            connected(url) as connection,
        ):
            for _ in range(setting.count(3, 1)):
                with project(store=url, base_url=target) as config:
                    insert = lambda number: rows(connection, CREATE, payload=json.dumps({"id": number}))  # noqa: E731
                    async with started(sp00ky_run(config)):
                        taken.append(await measured(arrivals, jobs, insert))
    return section("SurrealDB: latency, idle runner", {OURS: taken}, jobs, p50=5, p99=20)
