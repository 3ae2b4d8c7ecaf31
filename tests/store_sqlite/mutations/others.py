"""Faults in breakers, operators, retention, signals and transactions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import attrs
from tests.store_sqlite.mutations.patches import (
    blind,
    change_whatever_it_was,
    keeping_failed_for_ever,
    one_more,
    shorter,
    unleased,
)
from tests.store_sqlite.mutations.stores import (
    BeatenJustNow,
    Deaf,
    RowByRow,
    WithoutConnections,
)
from tests.store_sqlite.mutations.tools import (
    NEVER,
    Mutation,
    after,
    altering,
    breakers_seen_as,
    claims,
    each_of,
    index_of_keys,
    setting,
    settled_with,
    without,
)
from tests.store_sqlite.mutations.unshielded import Unshielded, unshielded

from sp00ky_core import machine
from sp00ky_core.gate.breaker import Breaker, BreakerState
from sp00ky_core.job import JobStatus
from sp00ky_core.machine import Redriven
from sp00ky_core.ports import SettleFate
from sp00ky_core.stores.transactional import Is
from sp00ky_core.stores.transactional import store as base
from sp00ky_core.stores.transactional.connection import executor
from sp00ky_core.stores.transactional.fleet import breaker, heartbeat
from sp00ky_core.stores.transactional.jobs import enqueue, reclaim, release, retention, settle
from sp00ky_core.stores.transactional.observe import stats
from sp00ky_store_sqlite import store as sqlite

STALE = "test_a_zombies_settle_after_the_next_claim_is_lost"
DELIVERED = "test_a_delivered_job_succeeds_without_retries"
CLAIMED = "test_a_claim_raises_the_epoch_and_sets_the_lease"
RETRIED = "test_a_failed_attempt_is_retried_later"
EXPIRED = "test_an_expired_lease_counts_as_an_attempt"
FENCED = "test_an_attempt_in_flight_is_fenced_off"
PROBED = "test_after_the_pause_one_caller_gets_one_job"
PRUNED = "test_prune_deletes_what_is_older_than_it_is_kept"
GIVEN_BACK = "test_jobs_that_are_not_kept_go_back"
REFUSED = "test_a_refused_result_costs_only_itself"
OF_ANOTHER = "test_another_processes_job_sends_the_signal"

OTHERS: Mapping[str, Mutation] = {
    "lease ignores lease_margin": Mutation((CLAIMED,), claims(values=shorter)),
    "change_breaker without a guard": Mutation(
        ("test_a_change_from_another_state_is_not_written",),
        setting(base, "change_breaker", change_whatever_it_was),
    ),
    "every claim of a half-open backend takes a probe": Mutation(
        (PROBED,),
        breakers_seen_as(
            lambda each: (
                attrs.evolve(each, state=BreakerState.OPEN) if each.state is BreakerState.HALF_OPEN else each
            )
        ),
    ),
    "claim gives jobs of a paused closed backend": Mutation(
        ("test_a_closed_breaker_may_be_paused",),
        breakers_seen_as(
            lambda each: attrs.evolve(each, paused_for=0.0) if each.state is BreakerState.CLOSED else each
        ),
    ),
    "only pending jobs hold a dedup_key": Mutation(
        ("test_a_job_in_flight_still_holds_its_key",),
        each_of(
            index_of_keys((Is("status", "=", JobStatus.PENDING),)),
            setting(enqueue, "LIVE_STATUSES", (JobStatus.PENDING,)),
        ),
    ),
    "claim takes one more than slots": Mutation(("test_each_backend_gets_its_slots",), one_more),
    "clear deletes pending jobs": Mutation(
        ("test_only_ended_jobs_are_cleared",),
        setting(retention, "TERMINAL", frozenset({JobStatus.PENDING, *retention.TERMINAL})),
    ),
    "other processes' jobs send no signal": Mutation((OF_ANOTHER,), store=Deaf),
    "no waiting for another process's lock": Mutation(
        ("test_a_key_is_unique_against_an_open_transaction",), setting(sqlite, "PATIENCE", 0.0)
    ),
    "add commits row by row": Mutation(("test_a_batch_is_all_or_none",), store=RowByRow),
    "LEASE_LOST told as ALREADY_SETTLED": Mutation(
        ("test_a_stale_epoch_loses",), setting(settle, "_fate", blind(SettleFate.ALREADY_SETTLED))
    ),
    "a lost job's error entry is dropped": Mutation(
        (EXPIRED,), settled_with(lambda job, before, *_: attrs.evolve(job, errors=before.errors))
    ),
    "reclaim never by lease": Mutation((EXPIRED,), setting(reclaim, "overdue", lambda now: NEVER)),
    "reclaim leaves rows without a lease": Mutation(
        ("test_a_row_without_a_lease_is_taken",), setting(reclaim, "overdue", unleased)
    ),
    "connection= is ignored": Mutation(
        ("test_jobs_are_not_there_when_it_rolls_back",), store=WithoutConnections
    ),
    "settle guarded by the epoch only": Mutation(
        ("test_a_repeated_settle_is_recognised", "test_a_repeated_retry_is_recognised"),
        setting(settle, "_fate", blind(status="status", runner_id="runner_id")),
    ),
    "a dead runner's rows are left for an equal beat": Mutation(
        ("test_a_runner_that_has_beaten_since_is_left_alone",), store=BeatenJustNow
    ),
    "a lost probe is never replaced": Mutation(
        ("test_a_probe_whose_runner_is_silent_goes_to_the_next",),
        breakers_seen_as(
            lambda each: attrs.evolve(each, state=BreakerState.HALF_OPEN) if each.probe_runner else each
        ),
    ),
    "a change may shorten a pause": Mutation(
        ("test_a_pause_is_never_shortened",),
        setting(
            breaker,
            "changed",
            after(
                breaker.changed,
                lambda values, _, change, now: {
                    **values,
                    "paused_until": now + timedelta(seconds=change.pause),
                },
            ),
        ),
    ),
    "prune ignores keep_failed": Mutation(
        ("test_failed_jobs_have_a_retention_of_their_own",),
        keeping_failed_for_ever,
    ),
    "a cancelled call leaves its transaction open": Mutation(
        ("test_an_add_that_is_cut_off_is_all_or_none",),
        setting(executor.Executor, "do", unshielded),
        Unshielded,
    ),
    "claim doesn't set runner_id": Mutation((CLAIMED,), claims(values=without("runner_id"))),
    "kill doesn't keep the lease": Mutation(
        (FENCED,), settled_with(lambda job, *_: attrs.evolve(job, lease_until=None))
    ),
    "reclaim doesn't keep the lease": Mutation(
        (EXPIRED, "test_a_job_that_must_not_repeat_fails"),
        settled_with(lambda job, *_: attrs.evolve(job, lease_until=None)),
    ),
    "release raises retries": Mutation(
        (GIVEN_BACK,),
        setting(
            release,
            "applied",
            after(release.applied, lambda job, *_: attrs.evolve(job, retries=job.retries + 1)),
        ),
    ),
    "a pending job is redriven": Mutation(
        ("test_only_a_failed_job_is_redriven",),
        lambda patch: patch.setitem(
            machine.TABLE,  # type: ignore[arg-type]  # a dict all the same
            (JobStatus.PENDING, Redriven),
            machine.TABLE[JobStatus.FAILED, Redriven],
        ),
    ),
    "beats stand still": Mutation(
        ("test_a_beat_moves_on",),
        setting(heartbeat, "beat", altering(heartbeat.beat, values=without("beat_at"))),
    ),
    "stalled counts nothing": Mutation(
        ("test_a_job_whose_lease_ran_out_is_stalled",), setting(stats, "overdue", lambda now: NEVER)
    ),
    "a half-open backend gives as many jobs as slots": Mutation(
        (PROBED,),
        breakers_seen_as(lambda each: Breaker() if each.wants_probe else each),
    ),
    "the delay of a new job ignored": Mutation(
        ("test_a_delayed_job_is_due_later",),
        setting(
            enqueue,
            "new_row",
            after(enqueue.new_row, lambda job, _, __, now: attrs.evolve(job, run_at=now)),
        ),
    ),
    "traceparent and assigned_to dropped": Mutation(
        ("test_every_option_is_stored",),
        setting(
            enqueue,
            "_row",
            after(enqueue._row, lambda row, *_: {**row, "traceparent": None, "assigned_to": None}),
        ),
    ),
}
