"""``python -m benchmarks [NAME ...]``: runs benchmarks, prints a report in Markdown."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext
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
from benchmarks.surreal import backlog as surreal_backlog
from benchmarks.surreal import delivery as surreal_delivery
from benchmarks.surreal import enqueue as surreal_enqueue
from benchmarks.surreal import fleet as surreal_fleet
from benchmarks.surreal import latency as surreal_latency
from benchmarks.surreal.database import is_there

ON_POSTGRES: dict[str, Benchmark] = {
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

ON_SURREAL: dict[str, Benchmark] = {
    "surreal-delivery": surreal_delivery.over_http,
    "surreal-noop": surreal_delivery.noop,
    "surreal-enqueue": surreal_enqueue.many,
    "surreal-latency": surreal_latency.run,
    "surreal-fleet": surreal_fleet.run,
    "surreal-backlog": surreal_backlog.on_memory,
    "surreal-backlog-files": surreal_backlog.on_files,
    "surreal-backlog-embedded": surreal_backlog.embedded_in_memory,
    "surreal-backlog-embedded-files": surreal_backlog.embedded_on_files,
}

BENCHMARKS = ON_POSTGRES | ON_SURREAL


def main() -> None:
    """Run what was chosen, one after the other."""
    chosen = _arguments()
    names = chosen.names or [*ON_POSTGRES, *(ON_SURREAL if is_there() else ())]
    needs_postgres = any(name in ON_POSTGRES for name in names)
    peers = Peers() if needs_postgres and not chosen.no_peers else None
    if peers:
        peers.install()
    rounds = 1 if chosen.short else chosen.rounds
    with running() if needs_postgres else nullcontext() as postgres:
        setting = Setting(
            server=postgres, peers=peers, short=chosen.short, rounds=rounds, minutes=chosen.minutes
        )
        about = uvloop.run(machine(postgres, surreal=any(name in ON_SURREAL for name in names)))
        sections = [_run(name, setting) for name in names]
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
