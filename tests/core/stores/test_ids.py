"""Ids of jobs."""

from datetime import UTC, datetime
from uuid import UUID

from sp00ky_core.stores.ids import key_at, new_key, new_keys, new_uuids, table_of


def test_ids_sort_by_age_and_are_uuids() -> None:
    made = [UUID(hex=key) for key in (*(new_key() for _ in range(500)), *new_keys(10_000), new_key())]
    assert made == sorted(set(made))
    assert {(uuid.version, uuid.variant) for uuid in made} == {(7, "specified in RFC 4122")}
    now = datetime.now(UTC).timestamp() * 1_000
    assert abs((made[0].int >> 80) - now) < 60_000
    assert new_keys(0) == []
    assert key_at(4_096 + 4_095, 2**64 - 1) == "0000000000017fffbfffffffffffffff"
    assert key_at((2**48 - 1) * 4_096, 0) == "ffffffffffff70008000000000000000"
    assert [table_of(job_id) for job_id in ("job:1", "job:", "job", "")] == ["job", "job", "", ""]


def test_keys_with_hyphens_are_such_uuids_too() -> None:
    texts = [new_key(), *new_uuids(10_000), *new_uuids(1), new_key()]
    made = list(map(UUID, texts))
    assert made == sorted(set(made))
    assert {(uuid.version, uuid.variant) for uuid in made} == {(7, "specified in RFC 4122")}
    assert texts[1:-1] == list(map(str, made[1:-1]))
    assert new_uuids(0) == []
