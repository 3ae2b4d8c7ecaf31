"""What a forecast says of the jobs that arrive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from sp00ky_core import hookimpl
from sp00ky_core.cli.plan import Forecast, Outage, Rules, forecasts
from sp00ky_core.config import BackendConfig, RateConfig
from sp00ky_core.config.model import RetryConfig
from sp00ky_core.job.outcome import Undelivered
from sp00ky_core.plugins.registry import Plugins


def forecast(*arrivals: float) -> Forecast:
    return Forecast(failure="503", breaker=True, failed=1, requests=9, arrivals=arrivals)


def test_nothing_arrives() -> None:
    assert forecast().to_json() == {
        "failure": "503",
        "breaker": True,
        "delivered": 0,
        "failed": 1,
        "requests": 9,
        "after_end_s": {"p50": None, "p95": None, "last": None},
    }


OUTAGE = Outage(seconds=60.0, jobs=200, latency=0.1)


def found(
    outage: Outage = OUTAGE, *, plugins: Plugins | None = None, **keys: Any
) -> dict[tuple[str, object], Forecast]:
    retry = {name: keys.pop(name) for name in ("max_retries", "base", "cap", "give_up_after") if name in keys}
    config = BackendConfig(
        name="api",
        spec=Path(),
        base_url="http://unset.invalid",
        retry=RetryConfig(jitter=0.0, **retry),
        **keys,
    )
    plugins = plugins or Plugins()
    rules = Rules(backend=config, hooks=plugins.hooks(), strategies=plugins.strategies)
    return {(case.failure, case.breaker): case for case in forecasts(rules, outage)}


def test_a_job_that_is_never_repeated_survives_only_what_could_not_connect() -> None:
    ended = found(max_retries=0)
    assert ended["500", None].failed == 200
    assert ended["429", None].failed == ended["429", None].requests < 20  # each answer pauses the backend
    assert ended["refused", True].failed == 3  # these opened the breaker
    assert ended["503", True].failed > 3  # and probes count


def test_throttled_answers_use_up_no_retry_until_it_has_lasted_too_long() -> None:
    assert found()["429", None].failed == 0
    alone = attrs.evolve(OUTAGE, jobs=1)
    assert found(alone, give_up_after=5.0, max_retries=1)["429", None].failed == 1


def test_what_is_given_up_on_fails_at_once() -> None:
    ended = found(give_up_on=frozenset({500}))
    assert (ended["500", None].failed, ended["500", None].requests) == (200, 200)


def test_the_rate_spreads_what_has_gathered() -> None:
    last = found()["refused", True].arrived(1.0)
    slow = found(rate=RateConfig(limit=1, per=1.0))["refused", True].arrived(1.0)
    assert last is not None
    assert slow is not None
    assert slow > 100 > last


class _Impatient:
    @hookimpl
    def sp00ky_classify_outcome(self, outcome: Undelivered) -> Undelivered | None:
        return attrs.evolve(outcome, retryable=False) if getattr(outcome, "code", 0) == 500 else None


def test_plugins_decide_here_too() -> None:
    plugins = Plugins()
    plugins.register(_Impatient(), name="impatient", distribution="these-tests")
    assert found(plugins=plugins)["500", None].failed == 200


def test_the_longest_waits_end() -> None:
    outage = Outage(seconds=30 * 86_400.0, jobs=5, latency=86_400.0)
    ended = found(outage, max_retries=1_000, base=86_400.0, cap=1e9, give_up_after=float("inf"))
    assert all(case.delivered + case.failed == 5 for case in ended.values())


SECONDS, JOBS, STEP = 20, 20, 0.1
