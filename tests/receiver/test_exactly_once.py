"""A call is done once on every kind of connection, whatever comes at the same time and whatever fails."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from tests.receiver.stacks import (
    ASYNCHRONOUS,
    DONE,
    REPEATED,
    SYNCHRONOUS,
    Place,
    done,
    done_async,
    effect,
    effect_async,
    request,
)

from sp00ky_receiver import UNSIGNED, Answer, Call, KeyReused, ReceiptLost, Receiver

Transaction = Callable[[], AbstractContextManager[Any]]
AsyncTransaction = Callable[[], AbstractAsyncContextManager[Any]]

FAILED = Answer(status=500)


@pytest.fixture(params=SYNCHRONOUS)
def stack(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def transaction(stack: str, place: Place) -> Transaction:
    return lambda: SYNCHRONOUS[stack](place)


@pytest.fixture(params=ASYNCHRONOUS)
def async_transaction(request: pytest.FixtureRequest, place: Place) -> AsyncTransaction:
    return lambda: ASYNCHRONOUS[request.param](place)


def test_what_fails_is_rolled_back_and_what_is_done_is_kept(
    place: Place, receiver: Receiver, transaction: Transaction
) -> None:
    def fails(call: Call, connection: Any) -> Answer:
        effect(connection)
        return FAILED

    def breaks(call: Call, connection: Any) -> Answer:
        effect(connection)
        raise ZeroDivisionError

    assert receiver.answer(request(), transaction, fails) == FAILED
    with pytest.raises(ZeroDivisionError):
        receiver.answer(request(), transaction, breaks)
    assert place.effects() == 0
    for answer in (DONE, REPEATED, REPEATED):
        assert receiver.answer(request(), transaction, done) == answer
    assert place.effects() == 1


async def test_what_fails_is_rolled_back_and_what_is_done_is_kept_async(
    place: Place, receiver: Receiver, async_transaction: AsyncTransaction
) -> None:
    async def fails(call: Call, connection: Any) -> Answer:
        await effect_async(connection)
        return FAILED

    async def breaks(call: Call, connection: Any) -> Answer:
        await effect_async(connection)
        raise ZeroDivisionError

    assert await receiver.answer_async(request(), async_transaction, fails) == FAILED
    with pytest.raises(ZeroDivisionError):
        await receiver.answer_async(request(), async_transaction, breaks)
    assert place.effects() == 0
    for answer in (DONE, REPEATED, REPEATED):
        assert await receiver.answer_async(request(), async_transaction, done_async) == answer
    assert place.effects() == 1


WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def waiting(place: Place) -> bool:
    """Whether a transaction waits for another one, where the database shows that."""
    with psycopg.connect(place.postgres) as connection:
        row = connection.execute(WAITING.encode()).fetchone()
    return bool(row and row[0])


@pytest.mark.parametrize("first_answer", [DONE, FAILED])
def test_a_concurrent_repetition_waits_for_the_first(
    place: Place, receiver: Receiver, stack: str, transaction: Transaction, first_answer: Answer
) -> None:
    """It gets the first one's answer; where that has failed it is done itself."""
    begun, may_end = threading.Event(), threading.Event()

    def slow(call: Call, connection: Any) -> Answer:
        effect(connection)
        begun.set()
        assert may_end.wait(60)
        return first_answer

    with ThreadPoolExecutor() as pool:
        first = pool.submit(receiver.answer, request(), transaction, slow)
        assert begun.wait(60)
        second = pool.submit(receiver.answer, request(), transaction, done)
        while "sqlite" not in stack and not waiting(place):
            assert not second.done()
        may_end.set()
        assert first.result(60) == first_answer
        assert second.result(60) == (REPEATED if first_answer is DONE else DONE)
    assert place.effects() == 1


@pytest.mark.parametrize("first_answer", [DONE, FAILED])
async def test_a_concurrent_repetition_waits_for_the_first_async(
    place: Place, receiver: Receiver, async_transaction: AsyncTransaction, first_answer: Answer
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow(call: Call, connection: Any) -> Answer:
        await effect_async(connection)
        begun.set()
        await may_end.wait()
        return first_answer

    first = asyncio.create_task(receiver.answer_async(request(), async_transaction, slow))
    await begun.wait()
    repetitions = [
        asyncio.create_task(receiver.answer_async(request(), async_transaction, done_async)) for _ in range(3)
    ]
    await asyncio.sleep(0)  # they have begun, and none can have ended
    assert not any(repetition.done() for repetition in repetitions)
    may_end.set()
    assert await first == first_answer
    others = await asyncio.gather(*repetitions)
    assert others.count(REPEATED) == (3 if first_answer is DONE else 2)
    assert place.effects() == 1


@pytest.fixture(params=["psycopg", "sqlite3"])
def plain(request: pytest.FixtureRequest, place: Place) -> Transaction:
    """One of each database is enough for what isn't the driver's."""
    return lambda: SYNCHRONOUS[request.param](place)


def test_another_request_with_the_same_key_is_refused(
    place: Place, receiver: Receiver, plain: Transaction
) -> None:
    receiver.answer(request(), plain, done)
    refused = receiver.answer(request(b'{"other": 1}'), plain, done)
    assert (refused.status, refused.body.count(b"\n")) == (422, 1)
    with plain() as connection, pytest.raises(KeyReused):
        receiver.once(connection, receiver.verify(request(b"[]"))).__enter__()
    assert place.effects() == 1


def test_senders_have_keys_of_their_own(place: Place, plain: Transaction) -> None:
    senders = {name: Receiver(UNSIGNED, sender=name) for name in ("billing", "orders")}
    for status, receiver in enumerate(senders.values(), 200):
        own = Answer(status=status)
        assert receiver.answer(request(), plain, lambda *_, own=own: own) == own
    for status, receiver in enumerate(senders.values(), 200):
        assert receiver.answer(request(), plain, done).status == status
    assert place.effects() == 0


def test_what_is_older_than_the_retention_counts_no_more_and_is_pruned(
    place: Place, plain: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    receiver = Receiver(UNSIGNED, retention=100)
    old = request(**{"Idempotency-Key": "old"})
    receiver.answer(request(), plain, done)
    receiver.answer(old, plain, done)
    now += 99
    assert receiver.answer(request(), plain, done) == REPEATED
    now += 2
    monkeypatch.setattr("time.monotonic", lambda: 1e9)
    assert receiver.answer(request(), plain, done) == DONE
    assert receiver.answer(request(), plain, done) == REPEATED
    assert place.fetch("SELECT key FROM sp00ky_receipt") == [("job:1",)]


def test_a_transaction_that_the_handler_ends_itself_is_an_error(
    place: Place, plain: Transaction, receiver: Receiver
) -> None:
    def impatient(call: Call, connection: Any) -> Answer:
        connection.rollback()
        effect(connection)
        return DONE

    with pytest.raises(ReceiptLost):
        receiver.answer(request(), plain, impatient)
    assert place.effects() == 0


def test_a_row_that_was_committed_without_an_answer_stops_nothing(
    place: Place, plain: Transaction, receiver: Receiver
) -> None:
    call = receiver.verify(request())
    with plain() as connection, receiver.once(connection, call) as receipt:
        receipt.keep(FAILED)
    assert place.fetch("SELECT status FROM sp00ky_receipt") == [(None,)]
    assert receiver.answer(request(), plain, done) == DONE


async def test_an_orm_session_flushes_in_the_same_transaction(place: Place, receiver: Receiver) -> None:
    async def handler(call: Call, session: Any) -> Answer:
        await session.execute(text("SELECT 1"))
        await effect_async(session)
        await session.flush()
        return DONE

    def begin() -> AbstractAsyncContextManager[Any]:
        return ASYNCHRONOUS["sqlalchemy-async-session"](place)

    assert await receiver.answer_async(request(), begin, handler) == DONE
    assert await receiver.answer_async(request(), begin, handler) == REPEATED
