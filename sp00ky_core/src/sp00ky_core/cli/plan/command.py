"""``sp00ky plan``: which jobs a backend's outage costs, by its retries and its breaker."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import click

from sp00ky_core.backend import load_backends
from sp00ky_core.cli.arguments import DURATION, Seconds, backend_names
from sp00ky_core.cli.context import Settings, command, with_options
from sp00ky_core.cli.plan.table import forecast_lines
from sp00ky_core.cli.terminal.output import as_json, show_json
from sp00ky_core.config import BackendConfig, find_config, load_config
from sp00ky_core.planner import LONGEST_OUTAGE, MOST_ATTEMPTS, Outage, Rules, forecasts
from sp00ky_core.plugins.registry import Plugins, load_plugins
from sp00ky_core.retry import MAX_RETRIES

DAY = 86_400

_retry_options = with_options(
    click.option("--strategy", metavar="NAME", help="linear, exponential, or a plugin's."),
    click.option(
        "--max-retries", type=click.IntRange(0, MAX_RETRIES), metavar="N", help="Attempts after the first."
    ),
    click.option("--base", type=Seconds(0, DAY), metavar="SECONDS", help="The first delay."),
    click.option(
        "--factor", type=Seconds(1, 1_000), metavar="N", help="Of exponential: each delay times that."
    ),
    click.option("--cap", type=Seconds(0, DAY), metavar="SECONDS", help="The longest delay."),
)


@command(short_help="Forecast which jobs an outage of a backend costs.")
@click.option(
    "--backend",
    metavar="NAME",
    shell_complete=backend_names,
    help="Take what isn't given here from sp00ky.yml.",
)
@_retry_options
@click.option("--outage", type=DURATION, default="30m", show_default=True, help="How long it lasts.")
@click.option(
    "--jobs", type=click.IntRange(1, 100_000), default=10_000, show_default=True, help="Enqueued meanwhile."
)
@click.option("--concurrency", type=click.IntRange(1, 10_000), metavar="N", help="Requests at a time.")
@click.option(
    "--latency",
    type=Seconds(0.001, DAY),
    default=0.1,
    show_default=True,
    help="Seconds that a request takes.",
)
@as_json
def plan(
    settings: Settings,
    *,
    json_wanted: bool,
    backend: str | None,
    outage: timedelta,
    jobs: int,
    latency: float,
    **given: Any,
) -> None:
    """Forecast what becomes of jobs that are enqueued while their backend is down.

    For a backend that refuses connections, hangs, or answers 503, 500 or 429: how many jobs are delivered
    in the end, how many fail, how many requests it gets meanwhile, and how long after its end half of the
    delivered jobs, 95 % of them and the last one arrive. Each attempt is decided by the rules that a runner
    goes by, on a virtual clock: nothing is sent, and no store is asked.
    """
    plugins = load_plugins()
    rules = _rules(_config(settings, backend, plugins), given, plugins)
    meant = Outage(seconds=outage.total_seconds(), jobs=jobs, latency=latency)
    _refuse_too_much(meant, rules)
    found = list(forecasts(rules, meant))
    if json_wanted:
        show_json({"plan": _plan_json(rules, meant), "forecasts": [each.to_json() for each in found]})
        return
    for line in forecast_lines(rules.backend, meant, found):
        click.echo(line)


def _config(settings: Settings, name: str | None, plugins: Plugins) -> BackendConfig:
    """Return the backend that is named, or one with the defaults."""
    if name is None:
        return BackendConfig(name="backend", spec=Path(), base_url="http://unset.invalid")
    config = load_config(settings.config or find_config())
    return load_backends(config, frozenset(plugins.strategies)).named(name).config


def _rules(config: BackendConfig, given: Mapping[str, Any], plugins: Plugins) -> Rules:
    options = {name: value for name, value in given.items() if value is not None}
    concurrency = options.pop("concurrency", config.concurrency)
    config = attrs.evolve(config, retry=attrs.evolve(config.retry, **options), concurrency=concurrency)
    return Rules(backend=config, hooks=plugins.hooks(), strategies=plugins.strategies)


def _refuse_too_much(outage: Outage, rules: Rules) -> None:
    if not 1 <= outage.seconds <= LONGEST_OUTAGE:
        raise click.BadParameter("an outage lasts from 1s to 30d", param_hint="'--outage'")
    if outage.jobs * (1 + rules.backend.retry.max_retries) > MOST_ATTEMPTS:
        most = f"at most {MOST_ATTEMPTS:,} attempts are simulated, jobs x (1 + retries): give fewer --jobs"
        raise click.BadParameter(most, param_hint="'--jobs'")


def _plan_json(rules: Rules, outage: Outage) -> dict[str, Any]:
    retry = attrs.asdict(rules.backend.retry)
    if math.isinf(retry["give_up_after"]):
        retry["give_up_after"] = None  # JSON knows no infinity
    facts = {"outage_s": outage.seconds, "jobs": outage.jobs, "latency_s": outage.latency}
    return {**facts, "concurrency": rules.backend.concurrency, "retry": retry}
