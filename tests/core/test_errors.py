"""Check what errors say, and what they carry."""

from __future__ import annotations

import pytest

from sp00ky_core.errors import (
    AdapterMissing,
    CallUnsupported,
    ConfigError,
    ContractError,
    IllegalTransition,
    JobIdAmbiguous,
    JobNotFound,
    OptionInvalid,
    PayloadError,
    PayloadInvalid,
    PayloadNotJson,
    PayloadTooLarge,
    PluginLoadError,
    RowRefused,
    RunnerGone,
    ScheduleInvalid,
    ScheduleStopped,
    SchemaError,
    Sp00kyError,
    StoreClosed,
    StoreError,
    StoreInUse,
    StoreUnavailable,
    UnknownBackend,
    UnknownRoute,
    UnknownSchedule,
    UnknownStrategy,
    Violation,
)
from sp00ky_core.hints import install_hint, nearest, shown


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("name", "known", "says"),
    [
        ("apj", ["mail", "api"], "did you mean 'api'?"),
        ("zzz", ["mail", "api"], "known: 'api', 'mail'"),
        ("zzz", [], "none is known"),
        ("zzz", [f"b{n:02}" for n in range(20)], "known: " + ", ".join(f"'b{n:02}'" for n in range(10))),
    ],
)
def test_the_nearest_name(name: str, known: list[str], says: str) -> None:
    assert nearest(name, known) == says


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\n", "'a\\n'"),
        ("x" * 100, "'" + "x" * 79),
        ("\ud800", "'\\ud800'"),
        pytest.param(10**5_000, "int", id="more digits than Python writes"),
        (Unprintable(), "Unprintable"),
    ],
)
def test_a_value_as_it_is_shown(value: object, text: str) -> None:
    assert shown(value) == text


def test_how_a_distribution_is_installed() -> None:
    assert install_hint("sp00ky-store-postgres").startswith("pip install ./sp00ky_store_postgres,")
    fast = install_hint("sp00ky-transport-http[fast]")
    assert fast.startswith("pip install './sp00ky_transport_http[fast]',")


@pytest.mark.parametrize("error", [StoreError, StoreUnavailable, StoreInUse, SchemaError, RowRefused])
def test_each_is_a_store_error(error: type[StoreError]) -> None:
    with pytest.raises(StoreError, match=r"^ws://host/a: it is away$") as raised:
        raise error(store="ws://host/a", problem="it is away")
    assert raised.value.exit_code == 1


def test_a_closed_store_says_how_it_is_opened() -> None:
    assert "async with Outbox.open(...)" in str(StoreClosed(store="memory://"))


def test_a_call_that_a_store_has_not_says_what_to_use() -> None:
    error = CallUnsupported(store="memory://", call="statement", instead="use transaction()")
    assert (str(error), error.exit_code) == ("memory:// has no statement: use transaction()", 2)


VIOLATIONS = (
    Violation(pointer="/id", message="it is missing"),
    Violation(pointer="", message="it is a list"),
)


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [
        (
            PayloadInvalid(backend="api", path="/a", violations=VIOLATIONS),
            "payload for api /a breaks the contract: /id: it is missing; (payload): it is a list",
            2,
        ),
        (PayloadNotJson(problem="NaN"), "the payload must be a JSON object: NaN", 2),
        (
            PayloadNotJson(pointer="/a/0", problem="its type is bytes"),
            "the payload must be a JSON object: /a/0: its type is bytes",
            2,
        ),
        (OptionInvalid(option="delay", value="-1", expected="more"), "delay is -1; expected more", 2),
        (
            IllegalTransition(job_id="job:1", status="pending", event="redriven"),
            "job job:1 is pending: it can't be redriven",
            1,
        ),
        (
            IllegalTransition(job_id="job:1", status="failed", event="killed", hint="clear it"),
            "job job:1 is failed: it can't be killed; clear it",
            1,
        ),
        (JobNotFound(job_id="1"), "no job '1' (an id reads <table>:<key>; see: sp00ky jobs list)", 1),
        (
            JobIdAmbiguous(job_id="job:1", candidates=("job:10", "job:11")),
            "several jobs' ids begin with 'job:1', job:10 and job:11 for two: give more of it",
            1,
        ),
    ],
)
def test_texts_about_jobs(error: Sp00kyError, text: str, code: int) -> None:
    assert (str(error), error.exit_code) == (text, code)


def test_what_is_too_large_says_by_how_much() -> None:
    text = str(PayloadTooLarge(size=12, limit=10))
    assert "12 bytes of JSON, over the limit of 10" in text
    assert "maxPayloadBytes" in text


@pytest.mark.parametrize(
    ("error", "pointers"),
    [
        (PayloadInvalid(backend="api", path="/a", violations=VIOLATIONS), ["/id", ""]),
        (PayloadNotJson(pointer="/a/0", problem="its type is bytes"), ["/a/0"]),
        (PayloadTooLarge(size=12, limit=10), [""]),
    ],
)
def test_what_is_wrong_with_a_payload_has_pointers(error: PayloadError, pointers: list[str]) -> None:
    assert [each.pointer for each in error.violations] == pointers
    assert error.pointer == pointers[0]


def test_an_option_is_a_value_error_too() -> None:
    with pytest.raises(ValueError, match="limit is 0"):
        raise OptionInvalid(option="limit", value="0", expected="more")


def test_their_texts() -> None:
    invalid = ScheduleInvalid(schedule="n", key="every", problem="too short")
    assert (str(invalid), invalid.exit_code) == ("schedule 'n': every: too short", 2)
    unknown = UnknownSchedule(schedule="tock", known=("tick",))
    expected = "no schedule 'tock' is defined; did you mean 'tick'? (see: sp00ky schedules list)"
    assert (str(unknown), unknown.exit_code) == (expected, 1)
    assert (
        str(ScheduleStopped(schedule="n", problem="it is paused"))
        == "schedule 'n' makes no jobs: it is paused"
    )


def test_it_names_what_was_meant() -> None:
    error = RunnerGone(runner_id="host-1", known=("host-12", "other"))
    assert str(error) == "no runner 'host-1' is up; did you mean 'host-12'? (see: sp00ky runners list)"
    assert error.exit_code == 1
    assert "none is known" in str(RunnerGone(runner_id="host-1"))


def test_a_dead_one_is_called_dead() -> None:
    text = str(RunnerGone(runner_id="host-1", silent_for=71.2, known=("other",)))
    assert "runner 'host-1' is dead: its last sign of life was 71 s ago" in text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConfigError(file="f.yml", problem="it is bad"), "f.yml: it is bad"),
        (ConfigError(file="f.yml", key="a.b", problem="bad", fix="mend it"), "f.yml: a.b: bad; mend it"),
        (ContractError(file="o.yml", problem="no OpenAPI"), "o.yml: no OpenAPI"),
        (
            PluginLoadError(distribution="ghost", problem="bad"),
            "plugin of ghost: bad; fix it or uninstall ghost",
        ),
        (
            UnknownBackend(backend="apj", known=("api",)),
            "no backend 'apj' in the configuration; did you mean 'api'?",
        ),
        (UnknownBackend(backend="a", known=(), reason="no spec"), "backend 'a' is left out: no spec"),
        (
            UnknownRoute(backend="api", path="/jsn", known=("/json",)),
            "backend 'api' has no route '/jsn'; did you mean '/json'?",
        ),
        (
            UnknownRoute(backend="api", path="/x", known=(), reason="two methods"),
            "backend 'api' can't be called at '/x': two methods",
        ),
        (UnknownStrategy(strategy="x", known=("linear",)), "no retry strategy 'x'; known: 'linear'"),
        (
            AdapterMissing(kind="transport", name="nats", distribution="", known=("http",)),
            "no transport is installed for 'nats': no known distribution has one; known: 'http'",
        ),
    ],
)
def test_texts(error: Sp00kyError, text: str) -> None:
    assert str(error) == text
    assert error.exit_code == 2


def test_a_missing_adapter_says_what_to_install_or_to_fix() -> None:
    known = AdapterMissing(kind="store", name="ws", distribution="sp00ky-store-surreal")
    assert "pip install ./sp00ky_store_surreal" in str(known)
    unknown = AdapterMissing(kind="store", name="x", distribution="")
    assert str(unknown).endswith("fix `store` in sp00ky.yml, SP00KY_STORE or --store")
