"""``python -m tests.chaos``: minutes of chaos, whose figures go into docs/guarantees.md."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.checker import violations
from tests.chaos.databases import DATABASES
from tests.chaos.deploys import run_deploys
from tests.chaos.document import DEPLOYS, DOCUMENT, Record, deploys_text, table, with_text
from tests.chaos.figures import figures_of
from tests.chaos.postgres import postgres
from tests.chaos.session import Ending, Plan

LONG_FREEZE = 36.0
"""Seconds: beyond a lease, which is the timeout and 30 s."""

LONGEST_ROLLING = 120.0
"""Seconds of rolling restarts."""


def main() -> int:
    """Run the chosen sessions; 1 if a promise was broken."""
    chosen = _arguments()
    print(f"seed {chosen.seed}", flush=True)
    stores = chosen.store or list(DATABASES)
    broken = [asyncio.run(run(chosen, store)) for store in stores for run in SESSIONS]
    return int(any(broken))


async def _chaos(chosen: argparse.Namespace, store: str) -> bool:
    unavailable = DATABASES[store].why_not()
    if unavailable:
        print(f"{store}: left out: {unavailable}", flush=True)
        return False
    folder = _folder(chosen, store)
    runners = min(chosen.runners, DATABASES[store].most_runners)
    plan = Plan(seed=chosen.seed, seconds=chosen.minutes * 60, runners=runners, long_freeze=LONG_FREEZE)
    record = _record(chosen, runners, await DATABASES[store].run(plan, folder))
    _tell(chosen, store, table(record), record.violations)
    return bool(record.violations)


async def _deploys(chosen: argparse.Namespace, store: str) -> bool:
    if store != "postgres":
        return False
    seconds = min(chosen.minutes * 60, LONGEST_ROLLING)
    folder = _folder(chosen, DEPLOYS)
    async with postgres() as database:
        deployed = await run_deploys(seconds, database, folder)
    broken = [*violations(deployed.ending.history), *deployed.complaints()]
    _tell(chosen, DEPLOYS, deploys_text(deployed, seconds), broken)
    return bool(broken)


SESSIONS = (_chaos, _deploys)


def _folder(chosen: argparse.Namespace, name: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"sp00ky-chaos-{name}-{chosen.seed}-"))
    print(f"\n{name}: histories and logs in {folder}", flush=True)
    return folder


def _tell(chosen: argparse.Namespace, place: str, text: str, broken: Sequence[str]) -> None:
    print(f"\n{text}", flush=True)
    for found in broken:
        print(f"BROKEN: {found}", flush=True)
    if chosen.write:
        DOCUMENT.write_text(with_text(DOCUMENT.read_text(), place, text))


def _record(chosen: argparse.Namespace, runners: int, ending: Ending) -> Record:
    return Record(
        seed=chosen.seed,
        minutes=chosen.minutes,
        runners=runners,
        figures=figures_of(ending.history),
        left_out=ending.left_out,
        violations=[*violations(ending.history), *ending.complaints()],
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats a session")  # noqa: S311  # no secret
    parser.add_argument("--minutes", type=float, default=5.0, help="of chaos; 5 by default")
    parser.add_argument("--store", action="append", choices=list(DATABASES), help="all by default")
    parser.add_argument("--runners", type=int, default=4, help="processes; 4 by default")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {DOCUMENT.name}")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
