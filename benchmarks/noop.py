"""What the outbox itself costs: a transport that sends nothing."""

from __future__ import annotations

from benchmarks.delivery import OURS, PGQUEUER, ours
from benchmarks.measure import Contender, in_turns, median_ratio
from benchmarks.project import opened, truncate, without_sending
from benchmarks.report import Bound, Section, rate_rows
from benchmarks.setting import Setting

__all__ = ["run"]


async def run(setting: Setting) -> Section:
    jobs = setting.count(40_000, 500)
    async with (
        setting.postgres.database() as url,
        opened(store=url, base_url="http://127.0.0.1:9", plugins=without_sending()) as outbox,
    ):
        contenders: dict[str, Contender] = {OURS: lambda: ours(outbox, jobs)}
        if setting.peers:
            peers = setting.peers
            await peers.install_tables(url)
            contenders[PGQUEUER] = lambda: peers.sample("noop", url, jobs)

        async def clean() -> None:
            await truncate(url)
            await setting.postgres.checkpoint()

        samples = await in_turns(contenders, setting.rounds, before=clean)
    reference = PGQUEUER if setting.peers else OURS
    bounds = [
        Bound(
            what="no-op jobs to pgqueuer's",
            measured=median_ratio(samples, OURS, reference),
            at_least=1.2,
        )
    ]
    return Section(
        title="No-op jobs, one process",
        rows=rate_rows(samples, reference),
        bounds=bounds if setting.peers else [],
        note=f"{jobs:,} jobs a round, claimed and settled, with nothing between.",
        rounds=samples,
    )
