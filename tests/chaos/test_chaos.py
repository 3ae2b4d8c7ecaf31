"""The short version of ``nox -s chaos``: everything is broken for a while, and nothing is lost."""

from pathlib import Path

import pytest
from chaos.checker import violations
from chaos.databases import DATABASES
from chaos.faults import FAULTS
from chaos.figures import figures_of
from chaos.session import Plan

SEED = 6

ALWAYS = "postgres"
"""The database whose session is in the default run."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "store",
    [
        database if database == ALWAYS else pytest.param(database, marks=pytest.mark.slow)
        for database in DATABASES
    ],
)
async def test_nothing_is_lost_whatever_breaks(store: str, tmp_path: Path) -> None:
    choice = DATABASES[store]
    if choice.why_not():
        pytest.skip(choice.why_not())
    plan = Plan(seed=SEED, seconds=0, runners=min(3, choice.most_runners))
    ending = await choice.run(plan, tmp_path)
    assert violations(ending.history) == []
    assert ending.complaints() == []
    figures = figures_of(ending.history)
    assert figures.committed > 100
    assert figures.requests > 100
    assert {kind.kind for kind in figures.kinds} | set(ending.left_out) == set(FAULTS)
