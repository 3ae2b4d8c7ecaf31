"""``python -m tests.chaos``: minutes of chaos, whose figures go into docs/guarantees.md."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.chaos.checker import violations
from tests.chaos.databases import DATABASES
from tests.chaos.document import DOCUMENT, Record, table, with_table
from tests.chaos.figures import figures_of
from tests.chaos.session import Ending, Plan

LONG_FREEZE = 36.0
"""Seconds: beyond a lease, which is the timeout and 30 s."""


def main() -> int:
    """Run the chosen sessions; 1 if a promise was broken."""
    chosen = _arguments()
    print(f"seed {chosen.seed}", flush=True)
    return max(asyncio.run(_session(chosen, store)) for store in chosen.store or DATABASES)


async def _session(chosen: argparse.Namespace, store: str) -> int:
    unavailable = DATABASES[store].why_not()
    if unavailable:
        print(f"{store}: left out: {unavailable}", flush=True)
        return 0
    folder = Path(tempfile.mkdtemp(prefix=f"sp00ky-chaos-{store}-{chosen.seed}-"))
    runners = min(chosen.runners, DATABASES[store].most_runners)
    plan = Plan(seed=chosen.seed, seconds=chosen.minutes * 60, runners=runners, long_freeze=LONG_FREEZE)
    ending = await DATABASES[store].run(plan, folder)
    record = _record(chosen, store, runners, ending)
    print(f"\n{store}\n\n{table(record)}", flush=True)
    for found in record.violations:
        print(f"BROKEN: {found}", flush=True)
    print(f"histories and logs: {folder}", flush=True)
    if chosen.write:
        DOCUMENT.write_text(with_table(DOCUMENT.read_text(), record))
    return bool(record.violations)


def _record(chosen: argparse.Namespace, store: str, runners: int, ending: Ending) -> Record:
    return Record(
        store=store,
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
