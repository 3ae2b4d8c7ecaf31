"""``python -m benchmarks [NAME ...]``: runs benchmarks, prints a report in Markdown."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import attrs
import uvloop

from benchmarks import backlog, churn, delivery, enqueue, latency, noop, notify, restart
from benchmarks.machine import machine
from benchmarks.peers import Peers
from benchmarks.postgres import running
from benchmarks.report import Section, markdown
from benchmarks.setting import Benchmark, Setting

BENCHMARKS: dict[str, Benchmark] = {
    "delivery": delivery.run,
    "noop": noop.run,
    "enqueue": enqueue.many,
    "enqueue-one": enqueue.one,
    "latency": latency.run,
    "backlog": backlog.run,
    "restart": restart.run,
    "notify": notify.run,
    "churn": churn.run,
}


def main() -> None:
    """Run what was chosen, one after the other."""
    chosen = _arguments()
    peers = None if chosen.no_peers else Peers()
    if peers:
        peers.install()
    rounds = 1 if chosen.short else chosen.rounds
    with running() as postgres:
        setting = Setting(
            postgres=postgres, peers=peers, short=chosen.short, rounds=rounds, minutes=chosen.minutes
        )
        about = uvloop.run(machine(postgres))
        sections = [_run(name, setting) for name in chosen.names or BENCHMARKS]
    print(markdown(about, sections))
    if chosen.json:
        found = {"machine": about, "sections": [_plain(section) for section in sections]}
        Path(chosen.json).write_text(json.dumps(found, indent=1))


def _run(name: str, setting: Setting) -> Section:
    print(f"{name} ...", file=sys.stderr, flush=True)
    section: Section = uvloop.run(BENCHMARKS[name](setting))
    for bound in section.bounds:
        print(f"  {bound.what}: {bound.measured:.3g} ({bound.wanted})", file=sys.stderr, flush=True)
    return section


def _plain(section: Section) -> Any:
    met = [{**attrs.asdict(bound), "met": bound.is_met} for bound in section.bounds]
    return {**attrs.asdict(section), "bounds": met}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all by default: {', '.join(BENCHMARKS)}")
    parser.add_argument("--short", action="store_true", help="a smoke test: little of everything, one round")
    parser.add_argument("--rounds", type=int, default=5, help="of each contender, in turns; 5 by default")
    parser.add_argument("--minutes", type=float, default=10.0, help="of churn; 10 by default")
    parser.add_argument("--no-peers", action="store_true", help="ours alone: nothing is installed")
    parser.add_argument("--json", metavar="FILE", help="write every single measurement there")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    return chosen


if __name__ == "__main__":
    main()
