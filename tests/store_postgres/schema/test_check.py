"""``check``: what can be wrong with the database is found, said once, and gone when it is mended."""

from __future__ import annotations

from typing import Any

import pytest
from tests.store_postgres.conftest import findings

from sp00ky_core.errors import StoreUnavailable
from sp00ky_store_postgres import PostgresStore


async def test_check_finds_a_setting_that_loses_writes(store: PostgresStore, make: Any) -> None:
    careless = make(synchronous_commit="off")
    (finding,) = await findings(careless)
    assert (finding.subject, finding.stops_jobs) == ("synchronous_commit", False)


async def test_a_server_that_takes_no_writes_is_one_line(store: PostgresStore, make: Any) -> None:
    standby = make(default_transaction_read_only="on")
    with pytest.raises(StoreUnavailable, match=r"it takes no writes.*Connect to the primary"):
        await standby.check()
