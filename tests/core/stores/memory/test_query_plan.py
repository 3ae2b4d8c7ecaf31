"""What a store asks for is answered by the index that was declared for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sp00ky_core.job import JobStatus
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.memory.query_plan import plan
from sp00ky_core.stores.transactional import Is
from sp00ky_core.stores.transactional.observe.filters import (
    NEWEST_FIRST,
    ORDERED,
    PENDING,
    PROCESSING,
    UNORDERED,
    leased,
    overdue,
)
from sp00ky_core.stores.transactional.schema.definition import LIVE_STATUSES, job_table

NOW = datetime(2030, 1, 1, tzinfo=UTC)
API = JobTable(backend="api", table="job")
TABLE = job_table("job")
INDEXES = TABLE.indexes


@pytest.mark.parametrize(
    ("where", "order", "index"),
    [
        ([*UNORDERED, Is("priority", "=", 0), Is("run_at", "<=", NOW)], ("run_at", "id"), "claim"),
        ([*UNORDERED, Is("priority", "=", 0), overdue(API, NOW)], ("run_at", "id"), "claim"),
        ([*UNORDERED], ("-priority",), "claim"),
        ([*ORDERED, Is("ordering_key", ">", "k")], ("ordering_key", "ordering_at", "id"), "ordering"),
        ([PROCESSING, Is("ordering_key", "!=", None)], (), "ordered"),
        (leased(API, NOW), ("lease_until",), "leased"),
        ([PENDING, Is("deferred_since", "!=", None)], ("deferred_since",), "deferred"),
        ([Is("status", "=", JobStatus.FAILED), Is("updated_at", ">", NOW)], ("updated_at",), "status"),
        ([PROCESSING, overdue(API, NOW)], (), "status"),
        ([], NEWEST_FIRST, "created"),
        ([Is("assigned_to", "=", "ann")], NEWEST_FIRST, "assigned"),
        ([Is("status", "in", LIVE_STATUSES), Is("dedup_key", "in", ["k"])], (), "dedup"),
    ],
)
def test_the_index_is_chosen(where: list[Any], order: tuple[str, ...], index: str) -> None:
    chosen = plan(("id",), INDEXES, where, order)
    assert chosen.index is not None
    assert INDEXES[chosen.index].name == index
    assert bool(chosen.turns) is bool(order)


def test_a_key_is_looked_up() -> None:
    chosen = plan(("id",), INDEXES, [PENDING, Is("id", "=", "1")], ())
    assert (chosen.index, chosen.equal, chosen.rest) == (None, (1,), (0,))


def test_what_no_index_knows_is_asked_of_every_row() -> None:
    chosen = plan(("id",), INDEXES, [Is("path", "=", "/a")], ())
    assert chosen.worth == 0
    assert chosen.rest == (0,)
