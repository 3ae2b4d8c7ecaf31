"""What a receiver refuses before anything is done, and its handlers as functions of any framework."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

import pytest
from tests.receiver.stacks import (
    ASYNCHRONOUS,
    DONE,
    REPEATED,
    SYNCHRONOUS,
    Place,
    effect,
    effect_async,
    request,
)

from sp00ky_receiver import UNSIGNED, Answer, BodyTooLong, Call, KeyMissing, Receiver, SettingInvalid


@pytest.mark.parametrize("key", ["", "k" * 1_001, "\N{GHOST}" * 251, "a\tb"])
def test_a_request_without_a_key_is_refused(key: str, receiver: Receiver) -> None:
    with pytest.raises(KeyMissing) as caught:
        receiver.verify(request(**{"Idempotency-Key": key}))
    assert caught.value.answer().status == 400


def test_a_long_body_is_refused() -> None:
    receiver = Receiver(UNSIGNED, max_body_bytes=10)
    assert receiver.verify(request(b"x" * 10)).key == "job:1"
    with pytest.raises(BodyTooLong) as caught:
        receiver.verify(request(b"x" * 11))
    assert caught.value.answer().status == 413


@pytest.mark.parametrize(
    "settings",
    [
        {"tolerance": 0},
        {"tolerance": "5"},
        {"retention": -1},
        {"max_body_bytes": 0},
        {"max_answer_bytes": -1},
    ],
)
def test_a_number_out_of_its_range_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingInvalid, match="expected a number over 0"):
        Receiver(UNSIGNED, **settings)


def test_a_handler_is_a_function_of_requests(place: Place, receiver: Receiver) -> None:
    def transaction() -> AbstractContextManager[Any]:
        return SYNCHRONOUS["sqlite3"](place)

    @receiver.handles(transaction)
    def spookify(call: Call, connection: Any) -> Answer:
        assert call.key == "job:1"
        effect(connection)
        return DONE

    assert [spookify(request()), spookify(request())] == [DONE, REPEATED]
    assert spookify(request(**{"Idempotency-Key": ""})).status == 400
    assert place.effects() == 1


async def test_a_handler_that_is_awaited_is_one_too(place: Place, receiver: Receiver) -> None:
    def transaction() -> AbstractAsyncContextManager[Any]:
        return ASYNCHRONOUS["asyncpg"](place)

    @receiver.handles_async(transaction)
    async def spookify(call: Call, connection: Any) -> Answer:
        assert call.key == "job:1"
        await effect_async(connection)
        return DONE

    assert [await spookify(request()), await spookify(request())] == [DONE, REPEATED]
    assert (await spookify(request(**{"Idempotency-Key": ""}))).status == 400
    assert place.effects() == 1
