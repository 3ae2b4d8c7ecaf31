"""Each act of an operator is one entry: before it begins, after each batch, and at its end."""

import asyncio
import logging
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.core.two_backends import ended, enqueued, statuses

from sp00ky_core import JobFilter, Outbox
from sp00ky_core.errors import OptionInvalid, StoreUnavailable
from sp00ky_core.outbox.operators import bulk
from sp00ky_core.outbox.operators.bulk import KILL
from sp00ky_core.ports import Act, AuditEntry, Settlement, SettleResult

AT = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of two."""
    monkeypatch.setattr(bulk, "PAGE", 2)


async def latest(outbox: Outbox) -> AuditEntry:
    """The latest entry, which is the only one that is newer than those seen before."""
    return (await outbox.audit(limit=1))[0]


async def test_each_act_is_one_entry(outbox: Outbox) -> None:
    one, two = await enqueued(outbox, 2)
    said: Any = {"reason": "a wrong deploy", "actor": "eve"}
    await outbox.reschedule(one, at=AT, priority=2, **said)
    await outbox.kill(one, two, "job:none", **said)
    await outbox.retry(one, resend_unknown=True, over=timedelta(minutes=1), **said)
    await outbox.clear(two, **said)
    await outbox.pause("api", duration=timedelta(minutes=10), **said)
    await outbox.resume("api", **said)
    await outbox.store.beat("r")
    await outbox.drain_runner("r", **said)
    entries = [(entry.action, entry.selection, entry.count) for entry in reversed(await outbox.audit())]
    assert entries == [
        ("reschedule", {"ids": [one], "run_at": "2030-01-01T12:00:00Z", "priority": 2}, 1),
        ("kill", {"ids": [one, two, "job:none"]}, 2),
        ("retry", {"ids": [one], "resend_unknown": True, "over": 60.0}, 1),
        ("clear", {"ids": [two]}, 1),
        ("pause", {"backend": "api", "duration": 600.0}, 0),
        ("resume", {"backend": "api"}, 0),
        ("drain", {"runner": "r"}, 0),
    ]
    for entry in await outbox.audit():
        assert (entry.reason, entry.actor, entry.via) == ("a wrong deploy", "eve", "python")
        assert entry.host == socket.gethostname()
        assert entry.ended_at is not None


async def test_an_entry_of_0_3_is_shown_as_it_is(outbox: Outbox) -> None:
    redriven = Act(action="redrive", selection={"ids": ["job:1"]}, via="cli", host="old", actor="eve")
    await outbox.store.update_audit(await outbox.store.start_audit(redriven), count=1, ended=True)
    entry = await latest(outbox)
    assert (entry.action, entry.count, entry.selection) == ("redrive", 1, {"ids": ["job:1"]})


async def test_what_cannot_be_written_down_is_not_done(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await enqueued(outbox, 1)

    async def refuse(_act: Act) -> str:
        raise StoreUnavailable(store="memory://", problem="away")

    monkeypatch.setattr(outbox.store, "start_audit", refuse)
    acts: list[Any] = [outbox.kill(*ids), outbox.kill(filter=JobFilter()), outbox.pause("api")]
    for act in acts:
        with pytest.raises(StoreUnavailable):
            await act
    assert await statuses(outbox, ids) == {"pending"}
    assert (await outbox.stats())["api"].paused is None


async def test_a_count_that_cannot_be_written_is_logged_and_undoes_nothing(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ids = await enqueued(outbox, 3)

    async def refuse(*_: Any, **__: Any) -> None:
        raise StoreUnavailable(store="memory://", problem="away")

    monkeypatch.setattr(outbox.store, "update_audit", refuse)
    with caplog.at_level(logging.WARNING):
        assert (await outbox.kill(filter=JobFilter())).done == 3
    assert "doesn't say how far" in caplog.text
    assert await statuses(outbox, ids) == {"failed"}


async def test_an_act_that_is_left_or_cancelled_has_ended_with_what_was_done(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enqueued(outbox, 6)
    work = outbox.steps(KILL, JobFilter())
    async for result in work:
        if result.done:
            break
    await work.aclose()
    entry = await latest(outbox)
    assert (entry.count, entry.ended_at is None) == (2, False)

    settle, hangs = outbox.store.settle, asyncio.Event()

    async def settle_once(settlements: Sequence[Settlement]) -> list[SettleResult]:
        if (await latest(outbox)).count:
            hangs.set()
            await asyncio.Event().wait()
        return await settle(settlements)

    monkeypatch.setattr(outbox.store, "settle", settle_once)
    killing = asyncio.create_task(outbox.kill(filter=JobFilter()))
    await hangs.wait()
    killing.cancel()
    await asyncio.wait([killing])
    entry = await latest(outbox)
    assert (entry.count, entry.ended_at is None) == (2, False)


async def test_nothing_is_written_of_what_is_refused(outbox: Outbox) -> None:
    ids = await ended(outbox, 1)
    refused: list[Any] = [
        outbox.kill(*ids, reason="\0"),
        outbox.kill(*ids, reason="x" * 2_049),
        outbox.kill(*ids, actor=5),  # type: ignore[call-overload]
        outbox.kill(filter=JobFilter(status="failed")),
        outbox.clear(filter=JobFilter(), limit=-1),
        outbox.clear(*ids, filter=JobFilter()),  # type: ignore[call-overload]
        outbox.pause("api", duration=timedelta(0)),
        outbox.pause("api", reason="\ud800"),
    ]
    for act in refused:
        with pytest.raises(OptionInvalid):
            await act
    assert await outbox.kill() == []
    assert await outbox.audit() == []
