"""What a receiver refuses before anything is done, and its handlers as functions of any framework."""

from typing import Any

import pytest
from tests.receiver.stacks import request

from sp00ky_receiver import UNSIGNED, BodyTooLong, KeyMissing, Receiver, SettingInvalid


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
