"""The state machine, whatever happens to a job, in whatever order."""

from datetime import timedelta

import attrs
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from sp00ky_conformance.strategies import deferrals, events, jobs, outcomes, policies
from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import IllegalTransition, OptionInvalid
from sp00ky_core.job.job import TERMINAL, Job, JobStatus
from sp00ky_core.job.outcome import OUTCOME_UNKNOWN, PERMANENT_NAMES, THROTTLED, Delivered, Undelivered
from sp00ky_core.job.retry import RetryPolicy
from sp00ky_core.job.state_machine import (
    MAX_ERRORS,
    MAX_REASON_BYTES,
    TABLE,
    Claimed,
    Deferred,
    Event,
    Expired,
    Killed,
    Lost,
    Released,
    Rescheduled,
    Retried,
    decide,
    has_unknown_outcome,
)
from sp00ky_core.stores.decisions import applied
from sp00ky_core.testing import FakeClock

EVENTS: tuple[Event, ...] = (
    Claimed(),
    Delivered(),
    Undelivered(name="timeout"),
    Lost(reason="gone"),
    Released(),
    Deferred(delay=1.0),
    Expired(),
    Killed(),
    Retried(),
    Rescheduled(delay=0.0),
)

# The table of the states, written down a second time.
LEGAL = {
    ("pending", Claimed): {"processing"},
    ("processing", Delivered): {"success"},
    ("processing", Undelivered): {"pending", "failed"},
    ("processing", Lost): {"pending", "failed"},
    ("processing", Released): {"pending"},
    ("processing", Deferred): {"pending", "failed"},
    ("processing", Expired): {"failed"},
    ("pending", Killed): {"failed"},
    ("processing", Killed): {"failed"},
    ("pending", Rescheduled): {"pending"},
    ("failed", Retried): {"pending"},
}


def fresh(max_retries: int = 3) -> Job:
    return Job(
        id="job:1",
        backend="api",
        path="/a",
        payload_json=b"{}",
        status=JobStatus.PENDING,
        max_retries=max_retries,
    )


def test_the_table_is_the_documented_one() -> None:
    table = {(status.value, event): {to.value for to in row[1]} for (status, event), row in TABLE.items()}
    assert table == LEGAL


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("made", EVENTS, ids=lambda event: type(event).__name__)
def test_a_pair_is_in_the_table_or_illegal(status: JobStatus, made: Event) -> None:
    event = type(made)
    job = attrs.evolve(fresh(), status=status)
    if (status.value, event) in LEGAL:
        assert decide(job, made, RetryPolicy()).to.value in LEGAL[status.value, event]
        return
    with pytest.raises(IllegalTransition) as raised:
        decide(job, made, RetryPolicy())
    assert (raised.value.job_id, raised.value.status) == (job.id, status.value)
    assert status.value in str(raised.value)


@given(jobs(), events(), policies(), st.floats(0, 1, exclude_max=True))
def test_a_decision_is_legal_and_repeatable(
    job: Job, event: Event, policy: RetryPolicy, random: float
) -> None:
    try:
        transition = decide(job, event, policy, random=random)
    except IllegalTransition:
        refused_retry = isinstance(event, Retried) and not event.resend_unknown and job.max_retries == 0
        assert (job.status.value, type(event)) not in LEGAL or refused_retry
        return
    assert transition.to.value in LEGAL[job.status.value, type(event)]
    assert transition == decide(job, event, policy, random=random)
    assert transition.retries >= 0
    assert transition.delay is None or transition.delay >= 0
    if transition.error is not None:
        assert len(transition.error.reason.encode()) <= MAX_REASON_BYTES
        assert "\0" not in transition.error.reason


@given(jobs(status=st.sampled_from(sorted(TERMINAL))), st.lists(events(), max_size=20), policies())
def test_nothing_but_a_retry_leaves_a_terminal_status(
    job: Job, history: list[Event], policy: RetryPolicy
) -> None:
    clock = FakeClock()
    for event in history:
        try:
            after = applied(job, decide(job, event, policy), clock.now())
        except IllegalTransition:
            continue
        if job.status in TERMINAL:
            assert (job.status, type(event), after.status) == ("failed", Retried, "pending")
        job = after


@given(st.integers(0, 4), st.lists(events(), max_size=60), st.booleans())
@example(0, [Claimed(), Lost(reason=""), Claimed()], False)
@example(1, [Claimed(), Released(), Claimed(), Lost(reason=""), Claimed(), Lost(reason=""), Claimed()], False)
def test_attempts_are_bounded_between_retries(
    max_retries: int, history: list[Event], every_claim_is_lost: bool
) -> None:
    job, policy, clock = fresh(max_retries), RetryPolicy(max_retries=max_retries), FakeClock()
    attempts = 0
    for event in history:
        retries = job.retries
        try:
            job = applied(job, decide(job, event, policy), clock.now())
        except IllegalTransition:
            continue
        attempts += isinstance(event, Claimed)
        attempts -= isinstance(event, Released)
        attempts -= isinstance(event, Deferred) and job.status is JobStatus.PENDING and job.retries == retries
        attempts = 0 if isinstance(event, Retried) else attempts
        if every_claim_is_lost and isinstance(event, Claimed):
            job = applied(job, decide(job, Lost(reason="gone"), policy), clock.now())
        assert attempts <= 1 + max_retries
        assert 0 <= job.retries <= max_retries
        assert len(job.errors) <= MAX_ERRORS


@given(st.lists(events(), max_size=60))
def test_without_retries_an_unknown_outcome_is_never_repeated(history: list[Event]) -> None:
    """Promise 2: nothing but an operator's explicit word sends it again."""
    job, policy, clock = fresh(0), RetryPolicy(max_retries=0), FakeClock()
    unknown = False
    for event in history:
        try:
            after = applied(job, decide(job, event, policy), clock.now())
        except IllegalTransition:
            continue
        if isinstance(event, Claimed):
            assert not unknown
        in_flight = job.status is JobStatus.PROCESSING
        if in_flight and isinstance(event, Killed | Lost):
            unknown = True
        if in_flight and isinstance(event, Undelivered) and event.name == OUTCOME_UNKNOWN:
            unknown = True
        if isinstance(event, Retried) and event.resend_unknown:
            unknown = False
        # A claim sets the lease; `applied` knows of none.
        lease = clock.now() if isinstance(event, Claimed) else after.lease_until
        job = attrs.evolve(after, lease_until=lease)


@given(jobs(status=st.just(JobStatus.PROCESSING)), outcomes(), policies())
def test_an_outcome_ends_as_documented(
    job: Job, outcome: Delivered | Undelivered, policy: RetryPolicy
) -> None:
    transition = decide(job, outcome, policy)
    if isinstance(outcome, Delivered):
        assert transition.to is JobStatus.SUCCESS
        assert (transition.retries, transition.error) == (job.retries, None)
        assert transition.result_json is None or decode(transition.result_json) == outcome.result
        return
    retryable = outcome.name not in PERMANENT_NAMES if outcome.retryable is None else outcome.retryable
    again = retryable and job.retries < min(policy.max_retries, job.max_retries)
    assert transition.to is (JobStatus.PENDING if again else JobStatus.FAILED)
    assert transition.retries == job.retries + again
    assert (transition.delay is not None) == again
    assert transition.error is not None
    assert (transition.error.attempt, transition.error.code) == (job.retries + 1, outcome.code)
    assert (transition.error.name, transition.error.runner_id) == (outcome.name, job.runner_id)


@given(
    st.integers(-(10**12), -1),
    st.integers(0, 3),
    st.sampled_from([Lost(reason="gone"), Undelivered(name="timeout")]),
)
def test_retries_below_zero_buy_no_attempt(retries: int, max_retries: int, event: Event) -> None:
    job = attrs.evolve(fresh(max_retries), status=JobStatus.PROCESSING, retries=retries)
    transition = decide(job, event, RetryPolicy(max_retries=max_retries))
    assert transition.to is (JobStatus.PENDING if max_retries else JobStatus.FAILED)
    assert transition.error is not None
    assert transition.error.attempt == 1
    if max_retries:
        assert transition.retries == 1


@pytest.mark.parametrize("max_retries", [-1, 1_001, 10**12, 1.5, True, "3", None, float("nan")])
def test_a_policy_refuses_absurd_retries(max_retries: object) -> None:
    with pytest.raises(OptionInvalid):
        RetryPolicy(max_retries=max_retries)  # type: ignore[arg-type]  # what is tested


IN_FLIGHT = st.just(JobStatus.PROCESSING)


@given(jobs(status=IN_FLIGHT), deferrals(), policies())
def test_a_deferral_uses_up_nothing_but_time(job: Job, event: Deferred, policy: RetryPolicy) -> None:
    is_sent = event.outcome is not None and event.outcome.sent
    assume(not is_sent or min(job.max_retries, policy.max_retries) > 0)
    assume(event.outcome is None or event.waited <= event.give_up_after)
    clock = FakeClock()
    transition = decide(job, event, policy)
    after = applied(job, transition, clock.now())
    assert (after.status, after.retries, after.lease_epoch) == ("pending", job.retries, job.lease_epoch)
    assert (after.lease_until, after.runner_id) == (None, None)
    assert after.run_at == clock.now() + timedelta(seconds=event.delay)
    assert after.deferred_since == (job.deferred_since or clock.now())
    if event.outcome is None:
        assert after.errors == job.errors
    else:
        assert (after.errors[-1].name, after.errors[-1].attempt) == (THROTTLED, job.retries + 1)


@given(jobs(status=IN_FLIGHT), deferrals(), policies())
def test_a_throttled_answer_that_counts_is_an_attempt(job: Job, event: Deferred, policy: RetryPolicy) -> None:
    assume(event.outcome is not None)
    assert event.outcome is not None
    is_only_one = event.outcome.sent and min(job.max_retries, policy.max_retries) <= 0
    counts = is_only_one or event.waited > event.give_up_after
    assume(counts)
    transition = decide(job, event, policy)
    attempt = decide(job, event.outcome, policy)
    assert attrs.evolve(transition, defers=False, error=attempt.error) == attempt
    assert transition.defers is (transition.to is JobStatus.PENDING)


@given(jobs(status=IN_FLIGHT, max_retries=st.just(0)), deferrals(), policies())
def test_without_retries_a_throttled_request_is_not_repeated(
    job: Job, event: Deferred, policy: RetryPolicy
) -> None:
    is_over = event.outcome is not None and (event.outcome.sent or event.waited > event.give_up_after)
    assert decide(job, event, policy).to is (JobStatus.FAILED if is_over else JobStatus.PENDING)


BUSY = Undelivered(name=THROTTLED, code=429, reason="é" * 2_000)
AWAY = Undelivered(name="http_status", code=503, reason="away")
GONE = attrs.evolve(AWAY, retryable=False, rule="giveUpOn has 503")


@pytest.mark.parametrize(
    ("event", "retries", "end"),
    [
        (AWAY, 2, "away"),
        (AWAY, 3, "away; not tried again: no retry left of 3"),
        (GONE, 2, "away; not tried again: giveUpOn has 503"),
        (attrs.evolve(GONE, rule=""), 2, "away"),
        (Lost(reason=""), 3, "not tried again: no retry left of 3"),
        (
            Deferred(delay=1.0, outcome=BUSY, waited=61.0, give_up_after=60.0),
            3,
            "é; not tried again: no retry left of 3, giveUpAfter (60 s) has passed",
        ),
    ],
)
def test_the_error_of_a_job_that_a_rule_ended_names_it(event: Event, retries: int, end: str) -> None:
    job = attrs.evolve(fresh(), status=JobStatus.PROCESSING, retries=retries)
    error = decide(job, event, RetryPolicy()).error
    assert error is not None
    assert error.reason.endswith(end)
    assert len(error.reason.encode()) <= MAX_REASON_BYTES


def test_what_is_given_up_on_goes_first() -> None:
    job = attrs.evolve(fresh(), status=JobStatus.PROCESSING)
    refused = Undelivered(name=THROTTLED, code=429, retryable=False)
    transition = decide(job, Deferred(delay=1.0, outcome=refused), RetryPolicy())
    assert (transition.to, transition.defers) == (JobStatus.FAILED, False)


@given(jobs(), events(), policies())
def test_only_a_deferral_a_claim_and_a_release_leave_it_deferred(
    job: Job, event: Event, policy: RetryPolicy
) -> None:
    clock = FakeClock()
    since = clock.now() - timedelta(seconds=5)
    try:
        transition = decide(job, event, policy)
    except IllegalTransition:
        return
    fresh_after, later = (
        applied(attrs.evolve(job, deferred_since=before), transition, clock.now()).deferred_since
        for before in (None, since)
    )
    if isinstance(event, Deferred) and transition.to is JobStatus.PENDING:
        assert (fresh_after, later) == (clock.now(), since)
    else:
        assert (fresh_after, later) == (None, since if isinstance(event, Claimed | Released) else None)


def test_what_a_job_s_own_code_asks_for_goes_before_its_strategy() -> None:
    job = attrs.evolve(fresh(), status=JobStatus.PROCESSING)
    outcome = Undelivered(name="Retry", again_in=3_600.0)
    assert decide(job, outcome, RetryPolicy(cap=1.0)).delay == 3_600.0


def test_an_expired_job_fails_without_an_attempt_counted() -> None:
    job = attrs.evolve(fresh(), status=JobStatus.PROCESSING, retries=1, lease_until=FakeClock().now())
    after = applied(job, decide(job, Expired(), RetryPolicy()), FakeClock().now())
    assert (after.status, after.retries, after.lease_until) == ("failed", 1, None)
    assert [error.name for error in after.errors] == ["expired"]
    assert not has_unknown_outcome(after)
