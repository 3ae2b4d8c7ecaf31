"""An outbox is used in the event loop in which it was opened; elsewhere it says so, and what to do."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.core.outbox.test_outbox import BACKEND, SPEC

from sp00ky_core import Outbox
from sp00ky_core.errors import OtherEventLoop
from sp00ky_core.stores.memory import MemoryStore

CALLS: dict[str, Callable[[Outbox], Awaitable[Any]]] = {
    "run": lambda outbox: outbox.run("api", "/a"),
    "get": lambda outbox: outbox.get("job:1"),
    "stats": lambda outbox: outbox.stats(),
    "pause": lambda outbox: outbox.pause("api"),
    "pause by the dashboard": lambda outbox: outbox.acting_through("dashboard").pause("api"),
    "close": lambda outbox: outbox.__aexit__(None, None, None),
}


async def elsewhere(outbox: Outbox, call: str) -> Any:
    """Make a call in another thread's event loop."""

    async def calling() -> Any:
        return await CALLS[call](outbox)

    return await asyncio.to_thread(lambda: asyncio.run(calling()))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "openapi.json").write_text(SPEC)
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{api: {BACKEND}}}\nstore: memory://\n")
    return tmp_path / "sp00ky.yml"


@pytest.mark.parametrize("call", CALLS)
async def test_an_outbox_of_another_event_loop_says_so(
    config: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = attrs.evolve(MemoryStore.capabilities, one_loop=True)  # as every store with connections is
    monkeypatch.setattr(MemoryStore, "capabilities", bound)
    outbox = Outbox.open(config)
    acting = outbox.acting_through("cli")  # also what was made before it was opened
    async with outbox:
        for used in (outbox, acting):
            with pytest.raises(OtherEventLoop, match=r"in another event loop.*SyncOutbox"):
                await elsewhere(used, call)
        assert (await outbox.run("api", "/a")).status == "pending"
