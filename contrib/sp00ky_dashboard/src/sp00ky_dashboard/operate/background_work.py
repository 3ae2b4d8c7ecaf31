"""Do to all jobs that match what an operator wants, in the background, and keep how far it has come."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing

import attrs

from sp00ky_core import BulkResult
from sp00ky_core.errors import Sp00kyError

logger: logging.Logger = logging.getLogger(__name__)

MOST_KEPT = 50
"""Operations whose end can be looked at."""


@attrs.define(kw_only=True)
class BulkOperation:
    """An operation that goes on, or has ended.

    Attributes:
        id: Its own, which can't be guessed.
        action: What is done, as a participle: ``killed``, ``retried``, ...
        steps: Do it, batch by batch.
        result: How far it has come; None: it is counting.
        error: Why it ended early.
        problem: The same in words.
        task: What does it.
    """

    id: str = attrs.field(factory=lambda: secrets.token_urlsafe(12))
    action: str
    steps: AsyncGenerator[BulkResult, None]
    result: BulkResult | None = None
    error: Sp00kyError | None = None
    problem: str | None = None
    task: asyncio.Task[None] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin."""
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        try:
            async with aclosing(self.steps):
                async for result in self.steps:
                    self.result = result
        except Sp00kyError as error:
            self.error, self.problem = error, str(error)
        except Exception:
            logger.exception("jobs were to be %s", self.action)
            self.problem = "this is a bug: the server's log says more"
        except asyncio.CancelledError:
            self.problem = "it was interrupted: the server stopped"
            raise


class BulkWork:
    """The operations of one process."""

    def __init__(self) -> None:
        """Begin without any."""
        self.operations: dict[str, BulkOperation] = {}

    def start(self, action: str, steps: AsyncGenerator[BulkResult, None]) -> BulkOperation:
        """Begin one."""
        ended = [key for key, operation in self.operations.items() if operation.task.done()]
        for key in ended[: max(len(self.operations) - MOST_KEPT + 1, 0)]:
            del self.operations[key]
        operation = BulkOperation(action=action, steps=steps)
        self.operations[operation.id] = operation
        return operation

    async def close(self) -> None:
        """Interrupt what goes on: what was reported is done, and the audit says how far it came."""
        tasks = [operation.task for operation in self.operations.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
