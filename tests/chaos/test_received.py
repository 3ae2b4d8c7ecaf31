"""With the receiver each job is done once, while its service is killed and replies are cut off."""

from pathlib import Path

import attrs
import pytest
from chaos.history import Row
from chaos.postgres import postgres
from chaos.received import Received, run_received

SEED = 16


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_each_job_is_done_once(tmp_path: Path) -> None:
    async with postgres() as database:
        plan = {"seed": SEED, "seconds": 4, "runners": 1, "rate": 25.0, "kinds": ()}
        received = await run_received(**plan, database=database, folder=tmp_path)
    assert received.complaints() == []
    assert received.committed > 20
    assert received.answers["r"], received.figures()


def row(n: int, status: str = "success", effect: int | None = None) -> Row:
    result = None if effect is None else {"effect": effect}
    return Row(n=n, job_id=f"job:{n}", status=status, retries=0, max_retries=1, epoch=1, result=result)


SOUND = Received(
    committed=3,
    lost=[],
    rows=[row(1, effect=10), row(2), row(3, status="failed"), row(4, status="failed")],
    effects={10: 1, 11: 2, 12: 3},
    answers={"d": 3, "r": 1},
    faults={"service killed": 1},
)


def test_what_is_as_it_should_be_is_no_complaint() -> None:
    assert SOUND.complaints() == []
    assert "3 jobs committed, 0 lost" in SOUND.figures()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"lost": [7]}, "job 7 was committed and has not ended"),
        ({"effects": {10: 1, 12: 3}}, "job 2 is success, and was not done"),
        ({"effects": {10: 1, 11: 2, 12: 3, 13: 3}}, "job 3 was done 2 times"),
        ({"effects": {10: 2, 11: 1}}, "job 1 was answered with effect 10"),
        ({"effects": {10: 1, 11: 2, 14: 9}}, "job 9 was done, and isn't there"),
        ({"outcries": ["r1: Traceback"]}, "Traceback"),
    ],
)
def test_what_is_not_is(change: dict[str, object], complaint: str) -> None:
    found = attrs.evolve(SOUND, **change).complaints()
    assert any(complaint in each for each in found), found
