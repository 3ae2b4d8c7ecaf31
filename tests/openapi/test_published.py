"""Published documents, unmodified. They aren't part of the project: their folder is beside the checkout."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sp00ky_openapi import Contract, load_contract

FOLDER = Path(__file__).parents[4] / "shared" / "openapi"


@pytest.fixture
def published() -> Callable[[str], Contract]:
    def load(name: str) -> Contract:
        file = FOLDER / name
        if not file.is_file():
            pytest.skip(f"no {name} in ../shared/openapi beside the checkout")
        return load_contract(file)

    return load


@pytest.mark.parametrize(("name", "usable", "unusable"), [("openai.yaml", 288, 0), ("discord.json", 242, 0)])
def test_it_loads_and_every_schema_of_it_is_understood(
    published: Callable[[str], Contract], name: str, usable: int, unusable: int
) -> None:
    contract = published(name)
    contract.compile()
    assert (len(contract.operations), len(contract.unusable)) == (usable, unusable)
    known = ("and no post", "as application/json")
    assert [why for why in contract.unusable.values() if not any(reason in why for reason in known)] == []


def test_openai_s_discriminators_and_nullable_fields(published: Callable[[str], Contract]) -> None:
    contract = published("openai.yaml")
    message = {"role": "user", "content": "hi"}
    payload = {"model": "gpt-4o", "messages": [message], "max_completion_tokens": None}
    assert contract.violations("/chat/completions", payload) == []
    del message["role"]
    pointers = [violation.pointer for violation in contract.violations("/chat/completions", payload)]
    assert pointers == ["/messages/0/role"]
    (parameter,) = contract.operations["/vector_stores/{vector_store_id}/search"].parameters
    assert (parameter.place, parameter.name) == ("path", "vector_store_id")


def test_discord_s_alternatives(published: Callable[[str], Contract]) -> None:
    contract = published("discord.json")
    path = "/channels/{channel_id}/threads"
    payload = {"channel_id": "1", "name": "x", "auto_archive_duration": 60, "type": 11}
    assert contract.violations(path, payload) == []
    (violation,) = contract.violations(path, payload | {"rate_limit_per_user": "x"})
    assert "/rate_limit_per_user" in str(violation)
