"""Change rows under their guard, again where another process was faster."""

from __future__ import annotations

import attrs
import pytest
from tests.core.scheduler.conftest import Bench

from sp00ky_core.errors import StoreError
from sp00ky_core.ports import StoredSchedule
from sp00ky_core.scheduler.compare_and_set import change, define, definition_of

TICK = "{tick: {every: 60s, backend: api, route: /a}}"


async def test_a_change_is_decided_again_on_what_another_has_written(bench: Bench) -> None:
    outbox = bench.outbox(TICK)
    await outbox.migrate()
    seen: list[int] = []

    def decide(stored: StoredSchedule | None, _: object) -> StoredSchedule | None:
        assert stored is not None
        seen.append(stored.revision)
        before = 1 if len(seen) == 1 else 0  # as if another process had written since it was read
        return attrs.evolve(stored, paused=True, revision=stored.revision + before)

    assert await change(bench.store, "tick", decide)
    assert len(seen) == 2
    assert (await outbox.schedules.get("tick")).stored.paused


async def test_a_row_that_changes_all_the_time_is_an_error(bench: Bench) -> None:
    outbox = bench.outbox(TICK)
    await outbox.migrate()
    with pytest.raises(StoreError, match="changes all the time"):
        await change(bench.store, "tick", lambda stored, _: stored and attrs.evolve(stored, revision=99))


async def test_a_definition_that_cannot_be_read_is_replaced_by_the_files(bench: Bench) -> None:
    outbox = bench.outbox(TICK)
    await outbox.migrate()
    newer = {"every": 60.0, "backend": "api", "route": "/a", "later": True}
    wrote = await change(
        bench.store, "tick", lambda stored, _: stored and attrs.evolve(stored, definition=newer, hash="other")
    )
    assert wrote
    record = await outbox.schedules.get("tick")
    assert (record.definition, definition_of(record.stored)) == (None, None)
    await bench.fire(outbox)
    assert await define(bench.store, outbox.config.schedules, {"api": "job"}) == ["tick"]
    assert (await outbox.schedules.get("tick")).definition is not None
