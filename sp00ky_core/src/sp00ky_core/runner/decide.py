"""From an attempt's outcome to the settlement that will be written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import attrs

from sp00ky_core.machine import Deferred, Expired, Transition, decide
from sp00ky_core.outcome import OUTCOME_UNKNOWN, Delivered, Outcome, Undelivered
from sp00ky_core.plugins.calls import Hooks
from sp00ky_core.plugins.defaults import sp00ky_retry_policy
from sp00ky_core.ports import Settlement
from sp00ky_core.retry import STRATEGIES, RetryPolicy, Strategy
from sp00ky_core.runner.in_flight import Held
from sp00ky_core.runner.options import RunnerOptions

logger: logging.Logger = logging.getLogger(__name__)

_ANY = RetryPolicy()  # what is delivered isn't retried


class Decider:
    """Applies the retry policy that plugins and configuration give."""

    def __init__(self, hooks: Hooks, strategies: Mapping[str, Strategy], options: RunnerOptions) -> None:
        self._hooks = hooks
        self._strategies = {name: _logging(name, strategy) for name, strategy in strategies.items()}
        self._options = options

    def settlement(self, held: Held, event: Outcome | Deferred | Expired) -> Settlement:
        """Decide what to write for an outcome, a deferral, or a job that has expired."""
        job = held.job
        is_delivered = isinstance(event, Delivered)
        return Settlement(
            job_id=job.id,
            backend=held.backend.table.backend,
            epoch=job.lease_epoch,
            runner_id=job.runner_id,
            transition=decide(job, event, _ANY) if is_delivered else self._transition(held, event),
        )

    def unknown(self, held: Held) -> Settlement:
        """Decide what to write where it isn't known how the attempt ended, by an internal fault."""
        return self.settlement(
            held, Undelivered(name=OUTCOME_UNKNOWN, reason="a fault in the runner; see its log")
        )

    def _transition(self, held: Held, event: Outcome | Deferred | Expired) -> Transition:
        random = self._options.random()
        policy = self._hooks.retry_policy(held.job, held.backend.config)
        try:
            return decide(held.job, event, policy, random=random, strategies=self._strategies)
        except Exception:  # a plugin's policy can't be used; the attempt was made all the same
            logger.exception("job %s: its outcome is settled without plugins", held.job.id)
        plain = attrs.evolve(sp00ky_retry_policy(held.job, held.backend.config), strategy="linear")
        return decide(held.job, event, plain, random=random)


def _logging(name: str, strategy: Strategy) -> Strategy:
    """Wrap a strategy so that its failures are logged: they count as "the cap", without a trace."""
    if STRATEGIES.get(name) is strategy:
        return strategy

    def logged(policy: RetryPolicy, n: int) -> float:
        try:
            return float(strategy(policy, n))
        except OverflowError:
            raise
        except (Exception, asyncio.CancelledError) as error:  # the latter would be taken for the runner's end
            logger.exception("retry strategy %r failed; the delay is the cap, %g s", name, policy.cap)
            raise ValueError("the strategy failed") from error

    return logged
