"""Measure a claim and a settle of a hundred jobs on stores of the kit, and count their statements."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import attrs
from tests.mariadb import NO_MARIADB, MariadbServer, is_installed

from benchmarks.measure import Sample, Stopwatch, median_ratio
from benchmarks.report import Bound, Section, rate_rows
from benchmarks.setting import Setting
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.job.retry import RetryPolicy
from sp00ky_core.job.state_machine import decide
from sp00ky_core.ports import JobTable, Settlement, StoreOptions
from sp00ky_store_kit import SqlSession, TransactionalStore
from sp00ky_store_mysql import MysqlStore
from sp00ky_store_mysql.session import MysqlSession
from sp00ky_store_sqlite import SqliteStore
from sp00ky_store_sqlite.session import SqliteSession

__all__ = ["run"]

AT_ONCE, MOST = 100, 12
"""Jobs of one call; statements of it, with what begins and ends its transactions."""

JOBS = [NewJob(backend="api", path="/spookify", payload={"id": 7, "text": "x" * 180})] * AT_ONCE
POLICY = RetryPolicy(max_retries=3, strategy="linear")
DURABLE = ("--innodb-flush-log-at-trx-commit=1",)


@attrs.frozen
class Contender:
    """A store, and the class whose statements are counted."""

    store: TransactionalStore
    session: type[SqlSession]


async def run(setting: Setting) -> Section:
    """Claim and settle a hundred at a time, a call each, on SQLite and MariaDB in turns."""
    samples: dict[str, list[Sample]] = {}
    statements: dict[str, list[int]] = {}
    async with _contenders() as contenders:
        for _ in range(setting.count(40, 2)):
            for name, contender in contenders.items():
                await _round(name, contender, samples, statements)
    rows = [dict(row) | {"statements": median(statements[str(row[""])])} for row in rate_rows(samples)]
    return Section(
        title="A hundred at once, on stores of the kit",
        rows=rows,
        bounds=[
            Bound(what=f"statements: {name}", measured=max(counts), at_most=MOST)
            for name, counts in statements.items()
            if name.endswith("MariaDB")  # a claim of SQLite's looks first, in a transaction that only reads
        ],
        note=f"Each call is of {AT_ONCE} jobs, by one runner; commits are flushed. {_compared(samples)}",
        rounds=samples,
    )


def _compared(samples: dict[str, list[Sample]]) -> str:
    if not is_installed():
        return NO_MARIADB
    ratios = [
        f"{call} {median_ratio(samples, f'{call}, MariaDB', f'{call}, SQLite'):.1f}"
        for call in ("claim", "settle")
    ]
    return f"MariaDB's rate to SQLite's: {', '.join(ratios)}."


async def _round(
    name: str, contender: Contender, samples: dict[str, list[Sample]], statements: dict[str, list[int]]
) -> None:
    store = contender.store
    await store.add(JOBS)

    async def measured(call: str, work: Callable[[], Awaitable[Any]]) -> Any:
        with _counted(contender.session) as asked, Stopwatch() as watch:
            result = await work()
        samples.setdefault(f"{call}, {name}", []).append(watch.sample(AT_ONCE))
        statements.setdefault(f"{call}, {name}", []).append(len(asked))
        return result

    jobs = await measured("claim", lambda: store.claim({"api": AT_ONCE}, "runner"))
    batch = [_settlement(job) for job in jobs]
    await measured("settle", lambda: store.settle(batch))


def _settlement(job: Job) -> Settlement:
    return Settlement(
        job_id=job.id,
        backend=job.backend,
        epoch=job.lease_epoch,
        runner_id=job.runner_id,
        transition=decide(job, Delivered(result={"id": 7}), POLICY),
    )


@contextmanager
def _counted(session: type[SqlSession]) -> Iterator[list[str]]:
    """Note each statement that sessions of a class send."""
    asked: list[str] = []
    own = {name: getattr(session, name) for name in ("execute", "execute_many")}

    def noting(call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(self: SqlSession, text: str, *parameters: Any) -> Any:
            asked.append(text)
            return call(self, text, *parameters)

        return noted

    for name, call in own.items():
        setattr(session, name, noting(call))
    try:
        yield asked
    finally:
        for name, call in own.items():
            setattr(session, name, call)


@asynccontextmanager
async def _contenders() -> AsyncIterator[dict[str, Contender]]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sp00ky-kit")))
        options = StoreOptions(
            url=f"sqlite:///{folder}/jobs.db",
            tables=(JobTable(backend="api", table="job"),),
            directory=folder,
        )
        contenders = {"SQLite": Contender(SqliteStore(options), SqliteSession)}
        if is_installed():
            server = MariadbServer(folder, DURABLE)
            stack.callback(server.kill)
            server.start()
            server.run("CREATE DATABASE bench CHARACTER SET utf8mb4")
            url = server.url("bench")
            contenders["MariaDB"] = Contender(MysqlStore(attrs.evolve(options, url=url)), MysqlSession)
        for contender in contenders.values():
            await contender.store.open()
            stack.push_async_callback(contender.store.close)
            await contender.store.migrate()
        yield contenders
