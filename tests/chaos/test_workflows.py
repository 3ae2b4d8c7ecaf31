"""Each step is done once and none is forgotten, while runners are killed and the database restarts."""

from pathlib import Path

import pytest
from chaos.databases import DATABASES
from chaos.workflows import run_workflows

SEED = 46


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("store", [name for name, choice in DATABASES.items() if choice.opened])
async def test_workflows_are_seen_through_whatever_breaks(store: str, tmp_path: Path) -> None:
    choice = DATABASES[store]
    if choice.why_not():
        pytest.skip(choice.why_not())
    assert choice.opened is not None
    async with choice.opened() as database:
        worked = await run_workflows(seed=SEED, seconds=0, database=database, folder=tmp_path, runners=3)
    assert worked.complaints() == []
    assert worked.found
