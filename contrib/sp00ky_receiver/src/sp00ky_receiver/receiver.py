"""Receive what a sender asks: verify who asks it, and do it once."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import wraps
from typing import Any, TypeVar

from sp00ky_receiver.answer import Answer
from sp00ky_receiver.errors import BodyTooLong, KeyMissing, Refused, SettingInvalid
from sp00ky_receiver.exactly_once import Keeping, Once
from sp00ky_receiver.request import Call, Request
from sp00ky_receiver.signature import Unsigned, Verifier

__all__ = ["Receiver"]

Connection = TypeVar("Connection")

_DAY = 86_400.0
_LONGEST_KEY = 1_000  # bytes: an index's entry is bounded
_PRUNING = 60.0  # seconds between two times that something is deleted, by each receiver


class Receiver:
    """One sender's requests: who they must be from, and how long their answers are kept.

    Attributes:
        sender: Whose keys these are; two senders may have a key in common.
        max_body_bytes: Longest body that is read.
    """

    def __init__(
        self,
        secrets: str | Sequence[str] | Unsigned,
        *,
        sender: str = "outbox",
        tolerance: float = 300.0,
        max_body_bytes: int = 1_048_576,
        max_answer_bytes: int = 65_536,
        retention: float = 30 * _DAY,
    ) -> None:
        """Take what to expect of the sender.

        Args:
            secrets: Its ``signingSecret``, or several while one is replaced. ``UNSIGNED``: its requests
                aren't signed, and whoever reaches this service is believed; their key is ``Idempotency-Key``.
            sender: Its name, where several senders' receipts are in one table.
            tolerance: Seconds that a request may be old, or our clock be behind.
            max_body_bytes: Longest body that is read.
            max_answer_bytes: Longest body of an answer that is kept; of a longer one the status and some
                headers are.
            retention: Seconds that answers are kept: longer than a sender may repeat a request.

        Raises:
            SettingInvalid: a secret is none, or a number is out of its range.
        """
        numbers = {
            "tolerance": tolerance,
            "max_body_bytes": max_body_bytes,
            "max_answer_bytes": max_answer_bytes,
            "retention": retention,
        }
        for setting, value in numbers.items():
            if not isinstance(value, int | float) or not value > 0:
                raise SettingInvalid(setting=setting, problem="expected a number over 0")
        self.sender = sender
        self.max_body_bytes = max_body_bytes
        self._verifier = None if isinstance(secrets, Unsigned) else Verifier(secrets, tolerance)
        self._max_answer_bytes = max_answer_bytes
        self._retention = retention
        self._pruning_at = 0.0  # by time.monotonic()

    def verify(self, request: Request) -> Call:
        """Return the call that a request is; nothing is read or written for it.

        Its key is what was signed: ``webhook-id``, which an outbox gives the job's id.

        Raises:
            Refused: the body is too long, the signature isn't the sender's, or there is no key; ``answer()``
                is what the sender is to get.
        """
        if len(request.body) > self.max_body_bytes:
            raise self.body_too_long()
        if self._verifier is not None:
            key = self._verifier.verify(request, time.time())
        else:
            key = request.headers.get("idempotency-key", "")
        if not key:
            raise KeyMissing(
                reason="the header Idempotency-Key is missing; give each request a key of its own"
            )
        if len(key.encode(errors="replace")) > _LONGEST_KEY or not key.isprintable():
            raise KeyMissing(
                reason=f"expected a key of printable characters, of at most {_LONGEST_KEY} bytes"
            )
        return Call(request=request, key=key)

    def body_too_long(self) -> BodyTooLong:
        """Return what refuses a body that is longer than ``max_body_bytes``."""
        return BodyTooLong(reason=f"the body is longer than {self.max_body_bytes} bytes")

    def once(self, connection: Any, call: Call) -> Once:
        """Return the block in which a call is done, on a connection that is in a transaction.

        On one that blocks it is ``with``::

            async with receiver.once(connection, call) as receipt:
                if not receipt.is_repeated:
                    ...  # on the same connection
                    receipt.keep(Answer.json({"done": True}))
            return receipt.answer

        It raises ``ConnectionInvalid`` on a connection of another kind or in autocommit, ``KeyReused`` for
        a key that was another request's, ``AnswerMissing`` and ``ReceiptLost``: then roll back.
        """
        now = time.time()
        keeping = Keeping(
            sender=self.sender,
            expired=now - self._retention,
            now=now,
            most_bytes=self._max_answer_bytes,
            is_pruning_due=self._is_pruning_due,
        )
        return Once(connection, call, keeping)

    def _is_pruning_due(self) -> bool:
        is_due = time.monotonic() >= self._pruning_at
        if is_due:
            self._pruning_at = time.monotonic() + _PRUNING
        return is_due

    def answer(
        self,
        request: Request,
        transaction: Callable[[], AbstractContextManager[Connection]],
        handler: Callable[[Call, Connection], Answer],
    ) -> Answer:
        """Answer a request: verify it, and let the handler do it in a transaction, once.

        ``transaction`` makes a block that commits at its end, or rolls back by an exception, such as
        SQLAlchemy's ``engine.begin``. An answer of the handler that is no success rolls back too.
        """
        try:
            call = self.verify(request)
            with transaction() as connection:
                with self.once(connection, call) as receipt:
                    if not receipt.is_repeated:
                        receipt.keep(handler(call, connection))
                return _committed(receipt.answer)
        except Refused as refused:
            return refused.answer()
        except _RolledBack as rolled_back:
            return rolled_back.answer

    async def answer_async(
        self,
        request: Request,
        transaction: Callable[[], AbstractAsyncContextManager[Connection]],
        handler: Callable[[Call, Connection], Awaitable[Answer]],
    ) -> Answer:
        """Answer a request as ``answer`` does, with a transaction and a handler that are awaited."""
        try:
            call = self.verify(request)
            async with transaction() as connection:
                async with self.once(connection, call) as receipt:
                    if not receipt.is_repeated:
                        receipt.keep(await handler(call, connection))
                return _committed(receipt.answer)
        except Refused as refused:
            return refused.answer()
        except _RolledBack as rolled_back:
            return rolled_back.answer

    def handles(
        self, transaction: Callable[[], AbstractContextManager[Connection]]
    ) -> Callable[[Callable[[Call, Connection], Answer]], Callable[[Request], Answer]]:
        """Decorate a handler: the function takes a ``Request`` of any framework, and returns the answer."""

        def decorate(handler: Callable[[Call, Connection], Answer]) -> Callable[[Request], Answer]:
            @wraps(handler)
            def handle(request: Request) -> Answer:
                return self.answer(request, transaction, handler)

            return handle

        return decorate

    def handles_async(
        self, transaction: Callable[[], AbstractAsyncContextManager[Connection]]
    ) -> Callable[[Callable[[Call, Connection], Awaitable[Answer]]], Callable[[Request], Awaitable[Answer]]]:
        """Decorate a handler that is awaited, as ``handles`` does."""

        def decorate(
            handler: Callable[[Call, Connection], Awaitable[Answer]],
        ) -> Callable[[Request], Awaitable[Answer]]:
            @wraps(handler)
            async def handle(request: Request) -> Answer:
                return await self.answer_async(request, transaction, handler)

            return handle

        return decorate


class _RolledBack(Exception):
    """Leaves a transaction's block by an exception, so that it rolls back."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


def _committed(answer: Answer | None) -> Answer:
    """Return the answer of a transaction that is to be committed; leave the block if it isn't to be."""
    if answer is None or not answer.is_success:
        raise _RolledBack(answer or Answer(status=500))
    return answer
