"""A synchronous standby that is promoted under load has everything that was acknowledged."""

from pathlib import Path

import pytest
from chaos.checker import violations
from chaos.history import COMMITTED
from chaos.standby import replicated, run_promotion

SECONDS = 12.0


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_synchronous_standby_loses_nothing_and_sends_nothing_again(tmp_path: Path) -> None:
    async with replicated(synchronous=True) as database:
        ending = await run_promotion(SECONDS, database, tmp_path)
    assert violations(ending.history) == []
    assert ending.complaints() == []
    (promotion,) = ending.history.disturbances
    committed = [one.at for one in ending.history.enqueues if one.fate == COMMITTED]
    assert min(committed) < promotion.since
    assert max(committed) > promotion.until
