"""``start_audit``, ``update_audit`` and ``audit``: what operators have done."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import attrs
import pytest

from sp00ky_conformance.store.harness import StoreHarness, eventually, is_close, moment, needs
from sp00ky_core.errors import OptionInvalid
from sp00ky_core.ports import AUDIT_KEPT, Act, AuditEntry, Store, StoreOptions

__all__ = ["AuditConformance"]

WORDS = 'it\'s "over"; -- \u00e4\u2744'

ACT = Act(
    action="kill",
    selection={"ids": ["job:1", WORDS], "deep": {"a": [1, 2.5, None, True]}},
    actor=WORDS,
    via="cli",
    host="host.example",
    reason=WORDS,
)


class AuditConformance(StoreHarness):
    """Each act is one entry, written before it is done, and kept for 90 days."""

    async def test_an_act_is_kept_as_it_is(self, store: Store) -> None:
        (job,) = await self.add(store)
        entry_id = await store.start_audit(ACT)
        (entry,) = await store.audit()
        assert attrs.asdict(ACT).items() <= attrs.asdict(entry).items()
        assert (entry.id, entry.count, entry.ended_at) == (entry_id, 0, None)
        assert is_close(entry.at, job.created_at)
        assert entry.at.utcoffset() is not None
        assert entry.db_user is None or entry.db_user

    async def test_what_an_act_need_not_say_may_be_missing(self, store: Store) -> None:
        act = Act(action="pause")
        await store.start_audit(act)
        (entry,) = await store.audit()
        assert (entry.selection, entry.actor, entry.via, entry.host, entry.reason) == (
            {},
            None,
            "python",
            "",
            None,
        )

    async def test_its_count_is_written_as_it_goes_on(self, store: Store) -> None:
        entry_id, other = await store.start_audit(ACT), await store.start_audit(ACT)
        for count in (1_000, 2_000):
            await store.update_audit(entry_id, count=count)
            entry = await self._entry(store, entry_id)
            assert (entry.count, entry.ended_at) == (count, None)
        await store.update_audit(entry_id, count=2_500, ended=True)
        entry = await self._entry(store, entry_id)
        assert entry.count == 2_500
        assert moment(entry.ended_at) >= entry.at
        untouched = await self._entry(store, other)
        assert (untouched.count, untouched.ended_at) == (0, None)

    async def test_the_newest_entries_come_first(self, store: Store) -> None:
        ids = [await self._later(store, ACT) for _ in range(3)]
        assert [entry.id for entry in await store.audit()] == ids[::-1]
        assert [entry.id for entry in await store.audit(limit=2)] == ids[:0:-1]

    async def test_pages_hold_every_entry_once(self, store: Store) -> None:
        ids = [await store.start_audit(attrs.evolve(ACT, reason=str(n))) for n in range(7)]
        whole = [entry.id for entry in await store.audit()]
        pages: list[list[str]] = []
        while not pages or pages[-1]:
            after = pages[-1][-1] if pages else None
            pages.append([entry.id for entry in await store.audit(limit=3, after=after)])
        assert [len(page) for page in pages] == [3, 3, 1, 0]
        assert [entry_id for page in pages for entry_id in page] == whole
        assert sorted(whole) == sorted(ids)

    async def test_a_page_after_no_entry_is_refused(self, store: Store) -> None:
        entry_id = await store.start_audit(ACT)
        for after in ("404404", "no entry", ""):
            with pytest.raises(OptionInvalid, match="audit entry"):
                await store.audit(after=after)
        assert await store.audit(after=entry_id) == []

    async def test_entries_since_an_instant_are_listed(self, store: Store) -> None:
        _, *later = [await self._later(store, ACT) for _ in range(3)]
        since = (await self._entry(store, later[0])).at
        assert [entry.id for entry in await store.audit(since=since)] == later[::-1]
        assert [entry.id for entry in await store.audit(since=since, limit=1, after=later[1])] == [later[0]]

    @needs("backdate_audit")
    async def test_entries_go_after_90_days(self, store: Store) -> None:
        old, young = await store.start_audit(ACT), await store.start_audit(ACT)
        await self.backdate_audit(store, old, AUDIT_KEPT + 3_600.0)
        await self.backdate_audit(store, young, AUDIT_KEPT - 3_600.0)
        assert await store.prune() == 0
        assert [entry.id for entry in await store.audit()] == [young]

    async def test_entries_outlive_the_store(self, options: StoreOptions) -> None:
        async with self.opened(options) as store:
            await store.start_audit(ACT)
            entries = await store.audit()
        async with self.opened(options) as store:
            assert await store.audit() == (entries if store.capabilities.durable else [])

    async def _entry(self, store: Store, entry_id: str) -> AuditEntry:
        (entry,) = [entry for entry in await store.audit() if entry.id == entry_id]
        return entry

    async def _later(self, store: Store, act: Act) -> str:
        """Start an act at a later instant than the one before."""
        entry_id = await store.start_audit(act)
        at = (await self._entry(store, entry_id)).at

        async def moved() -> bool:
            return (await store.beat("clock"))["clock"].at > at

        await eventually(moved)
        return entry_id
