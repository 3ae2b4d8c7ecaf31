"""Faults in what claims, settles and releases write."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from tests.store_sqlite.mutations.patches import (
    anywhen,
    as_if_retried_often,
    blind,
    decided,
    due_now,
    never_apart,
    never_taken,
    newest,
    of_anyone,
    pruning_too,
)
from tests.store_sqlite.mutations.stores import (
    Ephemeral,
    ForgetfulOfBeats,
    InTwoTransactions,
    LookedUpBefore,
    ReadsClaimsAgain,
)
from tests.store_sqlite.mutations.tools import (
    Mutation,
    altering,
    claims,
    each_of,
    index_of_keys,
    setting,
    settled_with,
    without,
    written_without,
)

from sp00ky_core import machine
from sp00ky_core.job import JobStatus
from sp00ky_core.machine import Killed
from sp00ky_core.ports import JobTable
from sp00ky_core.stores import operations
from sp00ky_core.stores.transactional import store as base
from sp00ky_core.stores.transactional.jobs import (
    release,
    settle,
)

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

JOBS: Mapping[str, Mutation] = {
    "settle without the epoch guard": Mutation(
        (STALE,), setting(settle, "_fate", blind(epoch="lease_epoch"))
    ),
    "claim not atomic": Mutation(("test_four_tasks_share_a_queue",), store=InTwoTransactions),
    "claim returns rows as they are by now": Mutation(
        ("test_what_a_claim_returns_is_the_callers",), store=ReadsClaimsAgain
    ),
    "reclaim ignores beats": Mutation(
        ("test_a_runner_that_has_beaten_since_is_left_alone",), store=ForgetfulOfBeats
    ),
    "settle leaves lease and runner": Mutation(
        (DELIVERED,), written_without(settle, "lease_until", "runner_id")
    ),
    "dedup race": Mutation(
        ("test_a_key_counts_once_among_concurrent_calls",), index_of_keys(None), LookedUpBefore
    ),
    "dedup without an index": Mutation(
        ("test_a_key_that_another_job_holds_refuses_it",),
        each_of(index_of_keys(None), setting(settle, "_is_taken", never_taken)),
    ),
    "retries reset by each settle": Mutation(
        (RETRIED,), settled_with(lambda job, *_: attrs.evolve(job, retries=0))
    ),
    "updated_at not moved by settle": Mutation((DELIVERED,), written_without(settle, "updated_at")),
    "updated_at not moved by claim": Mutation((CLAIMED,), claims(values=without("updated_at"))),
    "updated_at not moved by release": Mutation(
        ("test_updated_at_moves",), written_without(release, "updated_at")
    ),
    "a refused row fails the batch": Mutation((REFUSED,), never_apart),
    "release gives back others' rows": Mutation(
        ("test_every_table_is_asked_and_no_other_runner",),
        setting(base, "release", altering(release.release, where=of_anyone)),
    ),
    "release ignores keep": Mutation(
        (GIVEN_BACK,),
        setting(base, "release", lambda *args, **options: release.release(*args, **{**options, "keep": ()})),
    ),
    "claim takes the newest first": Mutation(("test_the_oldest_due_come_first",), claims(order=newest)),
    "run_at ignored by claim": Mutation(("test_a_delayed_job_is_due_later",), claims(where=anywhen)),
    "a retry's delay ignored": Mutation((RETRIED, "test_next_due_tells_of_a_retry"), settled_with(due_now)),
    "prune deletes processing rows too": Mutation((PRUNED,), pruning_too(JobStatus.PROCESSING)),
    "prune deletes pending rows too": Mutation((PRUNED,), pruning_too(JobStatus.PENDING)),
    "nothing is durable": Mutation(("test_what_was_written_outlives_the_store",), store=Ephemeral),
    "claim doesn't raise the epoch": Mutation((CLAIMED,), claims(values=without("lease_epoch"))),
    "reclaim doesn't raise the epoch": Mutation(
        (EXPIRED,),
        settled_with(lambda job, before, *_: attrs.evolve(job, lease_epoch=before.lease_epoch)),
    ),
    "reclaim ignores max_retries": Mutation(
        ("test_a_job_that_must_not_repeat_fails", "test_a_job_without_retries_left_fails"),
        setting(operations, "settlement_of", as_if_retried_often),
    ),
    "kill doesn't fence": Mutation(
        (FENCED,),
        decided(
            lambda transition, event: (
                attrs.evolve(transition, bumps_epoch=False) if isinstance(event, Killed) else transition
            )
        ),
    ),
    "redrive of an unknown outcome allowed": Mutation(
        ("test_an_unknown_outcome_that_must_not_repeat_needs_a_word",),
        setting(machine, "has_unknown_outcome", lambda job: False),
    ),
    "redrive looks at the last error only": Mutation(
        ("test_a_kill_in_flight_is_an_unknown_outcome",),
        setting(machine, "has_unknown_outcome", lambda job: job.errors[-1].name == "outcome_unknown"),
    ),
    "redrive doesn't keep the lease": Mutation(
        (
            "test_a_redrive_frees_no_key_before_the_lease_ends",
            "test_a_killed_attempt_counts_after_a_redrive_too",
        ),
        settled_with(
            lambda job, _, transition, __: (
                attrs.evolve(job, lease_until=None) if transition.after_lease else job
            )
        ),
    ),
    "redrive doesn't wait for the old lease": Mutation(
        ("test_a_job_killed_in_flight_waits_for_its_lease",),
        settled_with(
            lambda job, _, transition, now: attrs.evolve(job, run_at=now) if transition.after_lease else job
        ),
    ),
    "lease ignores the row's own timeout": Mutation(
        ("test_a_jobs_own_timeout_counts_where_it_may[True-100.0-130]",),
        setting(JobTable, "attempt_timeout", lambda self, _: self.timeout),
    ),
}
