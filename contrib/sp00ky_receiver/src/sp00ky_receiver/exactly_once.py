"""Do once what a call asks: claim its key in the handler's transaction, and keep the answer there."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from types import TracebackType
from typing import Any

import attrs

from sp00ky_receiver.answer import Answer
from sp00ky_receiver.database import AsyncDatabase, Row, SyncDatabase, asynchronous, synchronous
from sp00ky_receiver.errors import AnswerMissing, KeyReused, ReceiptLost
from sp00ky_receiver.request import Call
from sp00ky_receiver.table import Dialect, statement

__all__ = ["Receipt", "Once", "Keeping"]

Steps = Generator[tuple[str, Mapping[str, object]], Row, None]
"""Statements with their values, each of which gets its first row."""

_ROUNDS = 5  # a row may be pruned between two statements, but not again and again


@attrs.define(kw_only=True, eq=False)
class Receipt:
    """Know a call in its transaction, and take its answer.

    Attributes:
        key: The call's.
        answer: The first answer, where it was done before; else None, until ``keep``.
        is_repeated: It was done before: nothing is left to do but to answer.
    """

    key: str
    answer: Answer | None = None
    is_repeated: bool = False

    def keep(self, answer: Answer) -> Answer:
        """Set the answer, which is kept at the end of the block if it is a success; return it."""
        self.answer = answer
        return answer


@attrs.frozen(kw_only=True, eq=False)
class Keeping:
    """Bound how long and how much is kept.

    Attributes:
        sender: Whose keys these are.
        expired: What was kept before this instant, in seconds since 1970, counts no more.
        now: This instant.
        most_bytes: Of an answer's body.
        is_pruning_due: Asked once for each answer that is kept: delete some of what has expired too?
    """

    sender: str
    expired: float
    now: float
    most_bytes: int
    is_pruning_due: Callable[[], bool]


class Once:
    """A block in which a call is done, once: ``async with``, or ``with`` on a connection that blocks.

    The block gets a ``Receipt``. While it runs, a repetition of the call waits where it would begin its own
    block, until this transaction has ended. The transaction is the caller's to commit or to roll back.
    """

    def __init__(self, connection: Any, call: Call, keeping: Keeping) -> None:
        self._connection = connection
        self._keeping = keeping
        self._receipt = Receipt(key=call.key)
        self._values = {"sender": keeping.sender, "key": call.key, "fingerprint": call.request.fingerprint()}
        self._sync: SyncDatabase | None = None
        self._async: AsyncDatabase | None = None

    def __enter__(self) -> Receipt:
        self._sync = synchronous(self._connection)
        with self._sync.claiming():
            _run(self._claim(), self._sync)
        self._sync.refuse_autocommit()
        return self._receipt

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._sync is not None:
            _run(self._keep(self._sync.dialect), self._sync)

    async def __aenter__(self) -> Receipt:
        self._async = await asynchronous(self._connection)
        with self._async.claiming():
            await _run_async(self._claim(), self._async)
        self._async.refuse_autocommit()
        return self._receipt

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._async is not None:
            await _run_async(self._keep(self._async.dialect), self._async)

    def _claim(self) -> Steps:
        """Claim the key, or find the answer. Raises ``KeyReused``."""
        times = {"now": self._keeping.now, "expired": self._keeping.expired}
        for _ in range(_ROUNDS):
            if (yield statement("claim"), {**self._values, **times}) is not None:
                return
            row = yield statement("find"), self._values
            if row is not None:
                self._receipt.answer = self._found(*row)
                self._receipt.is_repeated = True
                return
        raise ReceiptLost

    def _found(self, fingerprint: str, status: int, headers: str, body: bytes) -> Answer:
        if fingerprint != self._values["fingerprint"]:
            raise KeyReused(reason="this key was used for another request; make a new key for each request")
        replayed = [*map(tuple, json.loads(headers)), ("idempotent-replayed", "true")]
        return Answer(status=status, headers=replayed, body=bytes(body))

    def _keep(self, dialect: Dialect) -> Steps:
        """Keep the answer, if it is a success. Raises ``AnswerMissing`` and ``ReceiptLost``."""
        answer = self._receipt.answer
        if answer is None:
            raise AnswerMissing
        if self._receipt.is_repeated or not answer.is_success:
            return
        if self._keeping.is_pruning_due():
            yield statement(f"prune.{dialect}"), {"expired": self._keeping.expired}
        kept = answer.kept(self._keeping.most_bytes)
        values = {"status": kept.status, "headers": json.dumps(kept.headers), "body": kept.body}
        if (yield statement("keep"), {**self._values, **values}) is None:
            raise ReceiptLost


def _run(steps: Steps, database: SyncDatabase) -> None:
    try:
        step = next(steps)
        while True:
            step = steps.send(database.fetch(*step))
    except StopIteration:
        return


async def _run_async(steps: Steps, database: AsyncDatabase) -> None:
    try:
        step = next(steps)
        while True:
            step = steps.send(await database.fetch(*step))
    except StopIteration:
        return
