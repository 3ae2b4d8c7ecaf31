"""What Prometheus reads."""

from prometheus_client.parser import text_string_to_metric_families

from sp00ky_core.metrics.counters import Counters
from sp00ky_core.metrics.families import exposition
from sp00ky_core.ports import BackendStats, BreakerStats, Pause


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Each sample by its name and its labels' values."""
    return {
        (each.name, *each.labels.values()): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


def counters() -> Counters:
    made = Counters()
    made.attempt(("api", "/a", "success", 200), 0.2)
    made.attempt(("api", "/b", "success", 200), 0.02)
    made.attempt(("api", "", "failed", 0))
    made.leases_lost, made.store_errors = 3, 4
    return made


def test_what_a_process_counts() -> None:
    found = samples(exposition(counters(), {"api": 7}, None))
    assert found["sp00ky_attempts_total", "api", "200", "success"] == 2
    assert found["sp00ky_attempts_total", "api", "0", "failed"] == 1
    assert found["sp00ky_attempt_seconds_bucket", "api", "0.025"] == 1
    assert found["sp00ky_attempt_seconds_bucket", "api", "0.25"] == 2
    assert found["sp00ky_attempt_seconds_bucket", "api", "+Inf"] == 2
    assert found["sp00ky_attempt_seconds_sum", "api"] == 0.22
    assert found["sp00ky_in_flight", "api"] == 7
    assert (found["sp00ky_lease_lost_total",], found["sp00ky_store_errors_total",]) == (3, 4)
    assert not any(key[0] == "sp00ky_jobs" for key in found), "the queue couldn't be read"


def test_the_whole_queue() -> None:
    stats = {
        "api": BackendStats(pending=5, processing=4, success=3, failed=2, stalled=1, oldest_due_s=9.5),
        "mail": BackendStats(breaker=BreakerStats(state="half_open"), paused=Pause(), deferred=6),
    }
    found = samples(exposition(Counters(), {}, stats))
    jobs = {key[2]: value for key, value in found.items() if key[:2] == ("sp00ky_jobs", "api")}
    assert jobs == {"pending": 5, "processing": 4, "success": 3, "failed": 2}
    for name, api, mail in (
        ("oldest_due_seconds", 9.5, 0),
        ("stalled", 1, 0),
        ("deferred", 0, 6),
        ("breaker_open", 0, 1),
        ("paused", 0, 1),
    ):
        assert (found[f"sp00ky_{name}", "api"], found[f"sp00ky_{name}", "mail"]) == (api, mail)
