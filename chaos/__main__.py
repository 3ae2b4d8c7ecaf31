"""``python -m chaos``: minutes of chaos, whose figures go into chaos/results.md."""

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from chaos.checker import violations
from chaos.databases import DATABASES
from chaos.deploys import run_deploys
from chaos.document import (
    DEPLOYS,
    DOCUMENT,
    OUTAGES,
    RECEIVER,
    WEBHOOKS,
    Record,
    deploys_text,
    outages_text,
    received_text,
    table,
    webhooks_text,
    with_text,
)
from chaos.figures import figures_of
from chaos.frail import KINDS
from chaos.outage_figures import Outage
from chaos.outages import OutagePlan, run_outages
from chaos.postgres import postgres
from chaos.received import run_received
from chaos.schedules import run_schedules
from chaos.session import Ending, Plan
from chaos.standby import replicated, run_promotion
from chaos.steering import steering_plan
from chaos.webhooks import run_webhooks
from chaos.workflows import run_workflows

LONG_FREEZE = 36.0
"""Seconds: beyond a lease, which is the timeout and 30 s."""

WAITING = 12_000
"""Jobs that wait for a backend when it goes away."""

KEYS = 500
"""Ordering keys of a session of steering."""

LONGEST_ROLLING = 120.0
"""Seconds of rolling restarts."""


def main() -> int:
    """Run the chosen sessions; 1 if a promise was broken."""
    chosen = _arguments()
    print(f"seed {chosen.seed}", flush=True)
    stores = chosen.store or list(DATABASES)
    sessions = [SESSIONS[name] for name in chosen.session or SESSIONS]
    broken = [asyncio.run(run(chosen, store)) for store in stores for run in sessions]
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


async def _steering(chosen: argparse.Namespace, store: str) -> bool:
    if DATABASES[store].most_runners == 1 or DATABASES[store].why_not():
        return False
    plan = steering_plan(seed=chosen.seed, seconds=chosen.minutes * 60, runners=chosen.runners, keys=KEYS)
    record = _record(chosen, chosen.runners, await DATABASES[store].run(plan, _folder(chosen, store)))
    for found in record.violations:
        print(f"BROKEN: {found}", flush=True)
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


async def _outages(chosen: argparse.Namespace, store: str) -> bool:
    if store != "postgres":
        return False
    folder = _folder(chosen, OUTAGES)
    outages = await asyncio.gather(*(_outage(chosen, kind, folder) for kind in KINDS))
    broken = [complaint for outage in outages for complaint in outage.complaints()]
    _tell(chosen, OUTAGES, outages_text(outages, chosen.runners), broken)
    return bool(broken)


async def _outage(chosen: argparse.Namespace, kind: str, folder: Path) -> Outage:
    """One run, with a database of its own: they mostly wait, so they are made side by side."""
    plan = OutagePlan(kinds=[kind], seconds=chosen.minutes * 60, waiting=WAITING, runners=chosen.runners)
    async with postgres() as database:
        (outage,) = await run_outages(plan, database, Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=folder)))
        return outage


async def _schedules(chosen: argparse.Namespace, store: str) -> bool:
    opened = DATABASES[store].opened
    if opened is None or DATABASES[store].why_not():
        return False
    plan = {"seed": chosen.seed, "seconds": chosen.minutes * 60, "runners": chosen.runners}
    async with opened() as database:
        fired = await run_schedules(**plan, database=database, folder=_folder(chosen, f"schedules-{store}"))
    print(fired.figures(), flush=True)
    for found in fired.complaints():
        print(f"BROKEN: {found}", flush=True)
    return bool(fired.complaints())


async def _workflows(chosen: argparse.Namespace, store: str) -> bool:
    opened = DATABASES[store].opened
    if opened is None or DATABASES[store].why_not():
        return False
    plan = {"seed": chosen.seed, "seconds": chosen.minutes * 60, "runners": chosen.runners}
    async with opened() as database:
        worked = await run_workflows(**plan, database=database, folder=_folder(chosen, f"workflows-{store}"))
    print(worked.figures(), flush=True)
    for found in worked.complaints():
        print(f"BROKEN: {found}", flush=True)
    return bool(worked.complaints())


async def _receiver(chosen: argparse.Namespace, store: str) -> bool:
    if store != "postgres":
        return False
    plan = {"seed": chosen.seed, "seconds": chosen.minutes * 60, "runners": chosen.runners}
    async with postgres() as database:
        received = await run_received(**plan, database=database, folder=_folder(chosen, RECEIVER))
    _tell(chosen, RECEIVER, received_text(received, chosen.minutes, chosen.runners), received.complaints())
    return bool(received.complaints())


async def _webhooks(chosen: argparse.Namespace, store: str) -> bool:
    opened = DATABASES[store].opened
    if opened is None or DATABASES[store].why_not():
        return False
    plan = {"seed": chosen.seed, "seconds": chosen.minutes * 60, "runners": chosen.runners}
    async with opened() as database:
        hooked = await run_webhooks(**plan, database=database, folder=_folder(chosen, f"webhooks-{store}"))
    text = webhooks_text(hooked, chosen.minutes, chosen.runners)
    if store == "postgres":
        _tell(chosen, WEBHOOKS, text, hooked.complaints())
    else:
        print(text, *hooked.complaints(), sep="\nBROKEN: ", flush=True)
    return bool(hooked.complaints())


async def _promotion(chosen: argparse.Namespace, store: str) -> bool:
    """Promote a standby: a synchronous one keeps the promises; of the other it is told what it costs."""
    if store != "postgres":
        return False
    return any([await _promoted(chosen, synchronous=synchronous) for synchronous in (True, False)])


async def _promoted(chosen: argparse.Namespace, *, synchronous: bool) -> bool:
    kind = "synchronous" if synchronous else "asynchronous"
    async with replicated(synchronous=synchronous) as database:
        folder = _folder(chosen, f"promotion-{kind}")
        ending = await run_promotion(chosen.minutes * 60, database, folder, runners=chosen.runners)
    figures = figures_of(ending.history)
    broken = [*violations(ending.history), *ending.complaints()]
    print(f"{kind}: {figures.committed:,} jobs committed, {figures.lost} lost", flush=True)
    for found in broken:
        print(f"{'BROKEN' if synchronous else 'as is said of it'}: {found}", flush=True)
    return synchronous and bool(broken)


SESSIONS: Mapping[str, Callable[[argparse.Namespace, str], Awaitable[bool]]] = {
    "chaos": _chaos,
    "steering": _steering,
    "deploys": _deploys,
    "outages": _outages,
    "schedules": _schedules,
    "workflows": _workflows,
    "receiver": _receiver,
    "webhooks": _webhooks,
    "promotion": _promotion,
}


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
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats a session")  # noqa: S311  # no secret
    parser.add_argument("--minutes", type=float, default=5.0, help="of each session; 5 by default")
    parser.add_argument("--store", action="append", choices=list(DATABASES), help="all by default")
    parser.add_argument("--session", action="append", choices=list(SESSIONS), help="all by default")
    parser.add_argument("--runners", type=int, default=4, help="processes; 4 by default")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {DOCUMENT.name}")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
