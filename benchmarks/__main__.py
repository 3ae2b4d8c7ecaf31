"""``python -m benchmarks [quick] [NAME ...]``: measure beside the peers, in rounds; a run can be resumed.

A full run (an hour and a half) writes benchmarks/results.md, and the chart and table of docs/benchmarks.md.
``quick`` (ten minutes) measures delivery and enqueueing alone and prints its tables, as NAMEs do. ``report``
writes the documents of the last full run again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import attrs
import uvloop

from benchmarks import pace
from benchmarks.beforehand import absent, remarks
from benchmarks.catalogue import BENCHMARKS, ON_KIT, ON_POSTGRES, ON_SURREAL, ONCE, QUICK
from benchmarks.on_postgres.server import running
from benchmarks.peers.environment import CACHE
from benchmarks.peers.registry import PROGRAMS
from benchmarks.report import Section
from benchmarks.report.document import printed, write
from benchmarks.report.machine import machine
from benchmarks.report.results import Results
from benchmarks.setting import Setting
from benchmarks.surreal.database import is_there


def main() -> None:
    """Run what was chosen."""
    chosen = _arguments()
    is_full = not chosen.names
    names = _names(chosen.names)
    results = Results(chosen.results / ("full" if is_full else "some"))
    if chosen.names != ["report"]:
        _measure(names, results, chosen, resume=is_full)
    else:
        results, is_full = Results(chosen.results / "full"), True
    print(printed(results, BENCHMARKS))
    if is_full and not chosen.short:
        write(results, BENCHMARKS)


def _names(chosen: Sequence[str]) -> list[str]:
    if not chosen:
        return [*ON_POSTGRES, *(ON_SURREAL if is_there() else ()), *ON_KIT]
    return [benchmark for name in chosen for benchmark in (QUICK if name == "quick" else (name,))]


def _measure(names: Sequence[str], results: Results, chosen: argparse.Namespace, *, resume: bool) -> None:
    needs_postgres = any(name in ON_POSTGRES for name in names)
    with running() if needs_postgres else nullcontext() as postgres:
        setting = Setting(
            server=postgres,
            short=chosen.short,
            minutes=chosen.minutes,
            only=frozenset(chosen.only),
        )
        setting = attrs.evolve(setting, without=frozenset(uvloop.run(_said_beforehand(setting))))
        about = uvloop.run(machine(setting, surreal=any(name in ON_SURREAL for name in names)))
        about["size"] = _size(chosen)
        results.begin(about, resume=resume)
        for number in range(1, chosen.rounds + 1):
            for name in names:
                if not results.has(name, number) and (number == 1 or name not in ONCE):
                    results.keep(name, number, _run(name, number, setting))


async def _said_beforehand(setting: Setting) -> list[str]:
    """Say what spoils the run; return the names of those that can't take part in it."""
    async for remark in remarks(setting.server):
        print(f"beware: {remark}", file=sys.stderr, flush=True)
    missing = dict(absent(setting.programs(PROGRAMS))) if setting.server else {}
    for name, reason in missing.items():
        print(f"{name} is left out: {reason}", file=sys.stderr, flush=True)
    return [*missing]


def _size(chosen: argparse.Namespace) -> str:
    size = "short: the numbers say nothing" if chosen.short else f"full, {chosen.minutes:g} minutes of churn"
    return size + (f"; only {', '.join(chosen.only)}" if chosen.only else "")


def _run(name: str, number: int, setting: Setting) -> Section:
    start = time.monotonic()
    pace.look()
    section: Section = uvloop.run(BENCHMARKS[name](setting))
    pace.look()
    section = attrs.evolve(section, moved=pace.moved(pace.taken()))
    print(f"{name}, round {number}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    for bound in section.bounds:
        noise = f"the machine's own speed moved by {section.moved:.0%}"
        print(f"  {bound.what}: {bound.measured:.3g}; {noise}", file=sys.stderr, flush=True)
    return section


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"quick, report, {', '.join(BENCHMARKS)}")
    parser.add_argument("--rounds", type=int, default=3, help="of each contender, in turns; 3 by default")
    parser.add_argument("--only", nargs="+", default=[], metavar="CONTENDER", help=", ".join(PROGRAMS))
    parser.add_argument("--minutes", type=float, default=10.0, help="of churn; 10 by default")
    parser.add_argument(
        "--results", type=Path, default=CACHE / "results", metavar="FOLDER", help="where each round is kept"
    )
    parser.add_argument("--short", action="store_true", help="a smoke test: little of everything")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - {"quick", "report", *BENCHMARKS} | set(chosen.only) - set(PROGRAMS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return chosen


if __name__ == "__main__":
    main()
