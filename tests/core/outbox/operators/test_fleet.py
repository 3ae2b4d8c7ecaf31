"""Pausing and resuming backends, and draining runners."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_asyncio
from tests.core.two_backends import CONFIG, SPEC

from sp00ky_core import Outbox, UnknownBackend, hookimpl, load_plugins
from sp00ky_core.errors import OptionInvalid


@attrs.define
class Witness:
    """What a plugin is told of pauses."""

    seen: list[tuple[str, bool]] = attrs.field(factory=list)

    @hookimpl
    async def sp00ky_pause_changed(self, backend: str, paused: bool) -> None:
        self.seen.append((backend, paused))


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest_asyncio.fixture
async def outbox(tmp_path: Path, witness: Witness) -> AsyncIterator[Outbox]:
    (tmp_path / "openapi.yml").write_text(SPEC)
    (tmp_path / "sp00ky.yml").write_text(CONFIG)
    plugins = load_plugins()
    plugins.register(witness, name="witness", distribution="these-tests")
    async with Outbox.open(tmp_path / "sp00ky.yml", plugins=plugins) as outbox:
        yield outbox


async def test_plugins_hear_of_each_change_once(outbox: Outbox, witness: Witness) -> None:
    assert not await outbox.resume("api")
    assert await outbox.pause("api")
    assert not await outbox.pause("api", duration=timedelta(hours=1))
    assert await outbox.resume("api")
    assert not await outbox.resume("api")
    assert witness.seen == [("api", True), ("api", False)]


async def test_a_backend_that_is_not_there_is_neither_paused_nor_resumed(
    outbox: Outbox, witness: Witness
) -> None:
    calls: list[Any] = [outbox.pause("apj"), outbox.resume("apj")]
    for call in calls:
        with pytest.raises(UnknownBackend, match="did you mean 'api'"):
            await call
    with pytest.raises(OptionInvalid, match=r"duration is .*; expected more than 0"):
        await outbox.pause("api", duration=timedelta(0))
    with pytest.raises(OptionInvalid, match="duration is 5"):
        await outbox.pause("api", duration=5)  # type: ignore[arg-type]
    assert witness.seen == []
    assert await outbox.audit() == []
