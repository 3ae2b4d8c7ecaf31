"""Do an extension's work in transactions, anew where another runner was faster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import ExtensionContext, ExtensionTransaction
from sp00ky_workflows.service.advance import Advance
from sp00ky_workflows.service.steps import Beaten

__all__ = ["advanced", "redone"]

T = TypeVar("T")

TIMES = 20
"""How often a transaction is tried in which another runner was faster; later looks find the rest."""


async def redone(context: ExtensionContext, work: Callable[[ExtensionTransaction], Awaitable[T]]) -> T:
    """Do work in a transaction, anew where another runner was faster. Raises ``Beaten`` in the end."""
    for _ in range(TIMES - 1):
        try:
            return await context.transact(work)
        except Beaten:
            continue
    return await context.transact(work)


async def advanced(context: ExtensionContext, work: Callable[[Advance], Awaitable[T]]) -> tuple[T, Advance]:
    """Have workflows go on; return what the work does, and the advance, which knows what is left to do.

    Where the database refuses a job of a step, that step fails, and all others go on.
    """

    async def done(tx: ExtensionTransaction, *, apart: bool = False) -> tuple[T, Advance]:
        advance = Advance(tx, context, apart)
        return await work(advance), advance

    try:
        return await redone(context, done)
    except RowRefused:
        return await redone(context, partial(done, apart=True))
