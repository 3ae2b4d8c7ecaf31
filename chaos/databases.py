"""The databases that can be broken, by name."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import attrs

from chaos.database import Database
from chaos.lone import run_lone_session
from chaos.mysql import mysql, why_no_mysql
from chaos.postgres import postgres
from chaos.session import Ending, Plan, run_session
from chaos.surreal import surreal, why_no_surreal

__all__ = ["DATABASES", "Choice"]

MANY = 100

Opened = Callable[[], AbstractAsyncContextManager[Database]]


@attrs.frozen(kw_only=True)
class Choice:
    """A kind of database that a session can run on."""

    run: Callable[[Plan, Path], Awaitable[Ending]]
    opened: Opened | None = None
    """None: it can't be shared by several runners."""
    why_not: Callable[[], str] = str
    """Empty where it is available."""
    most_runners: int = MANY


def _on(opened: Opened, **fields: Any) -> Choice:
    async def run(plan: Plan, folder: Path) -> Ending:
        async with opened() as database:
            return await run_session(plan, database, folder)

    return Choice(run=run, opened=opened, **fields)


DATABASES: Mapping[str, Choice] = {
    "postgres": _on(postgres),
    "surreal": _on(surreal, why_not=why_no_surreal),
    "mysql": _on(mysql, why_not=why_no_mysql),
    "embedded": Choice(run=run_lone_session, most_runners=1),
}
