"""On every store: an outbox that is used in another event loop than its own raises what says so."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from tests.core.test_event_loop import elsewhere
from tests.e2e.test_shared_table import config, postgres

from sp00ky_core import NewJob, Outbox
from sp00ky_core.errors import OtherEventLoop

__all__ = ["config", "postgres"]  # fixtures


async def test_an_outbox_of_another_event_loop_says_so(config: Path) -> None:
    async with Outbox.open(config) as outbox:
        await outbox.migrate()
        await outbox.run_many("api", [NewJob(path="/a")] * 3)  # there are connections
        is_bound = outbox.store.capabilities.one_loop
        refused = pytest.raises(OtherEventLoop, match="SyncOutbox") if is_bound else nullcontext()
        for call in ("run", "stats"):
            with refused:
                await elsewhere(outbox, call)
        assert (await outbox.stats())["api"].pending == (3 if is_bound else 4)
