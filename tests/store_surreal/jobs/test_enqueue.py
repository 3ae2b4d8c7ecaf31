"""Jobs that are refused write nothing."""

from __future__ import annotations

import pytest

from sp00ky_core.errors import OptionInvalid, RowRefused
from sp00ky_core.job import NewJob
from sp00ky_core.ports import JobQuery
from sp00ky_store_surreal import SurrealStore


async def test_a_refused_insert_writes_nothing(migrated: SurrealStore) -> None:
    await migrated._connection.write("DEFINE FIELD OVERWRITE path ON job TYPE string ASSERT $value != '/no'")
    with pytest.raises(RowRefused, match="/no"):
        await migrated.add([NewJob(path="/a", backend="api"), NewJob(path="/no", backend="api")])
    assert await migrated.find(JobQuery()) == []


@pytest.mark.parametrize("parent", ["abc", "thread:", ":abc", "thread:[1"])
async def test_a_parent_that_is_no_record_is_refused(migrated: SurrealStore, parent: str) -> None:
    with pytest.raises(OptionInvalid, match="assigned_to"):
        await migrated.add([NewJob(path="/a", backend="api", assigned_to=parent)])
