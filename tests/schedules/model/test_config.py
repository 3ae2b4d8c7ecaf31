"""Schedules in sp00ky.yml: inline, a file, a file for each entry; what is wrong is one line."""

from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.config import HistoryConfig
from sp00ky_core.encoding.json_bytes import json_hash
from sp00ky_core.errors import ConfigError
from sp00ky_core.plugins.registry import load_config
from sp00ky_schedules.errors import ScheduleInvalid
from sp00ky_schedules.model.config import SchedulesConfig, parse_schedule

WHOLE: dict[str, Any] = {
    "cron": "0 30 2 * * MON-FRI",
    "timezone": "Europe/Berlin",
    "backend": "api",
    "route": "/report",
    "payload": {"a": [1, None]},
    "forEach": {"query": "SELECT 1", "key": "tenant"},
    "concurrency": "replace",
    "retry": {"max": 3, "strategy": "exponential"},
    "timeout": 30.0,
    "deadline": 60.0,
    "quarantineAfter": 3,
    "enabled": False,
    "history": 10,
}


SOUND = "{every: 10s, backend: api, route: /r}"


def loaded(folder: Path, schedules: str) -> SchedulesConfig:
    file = folder / "sp00ky.yml"
    file.write_text(f"backends: {{}}\nschedules: {schedules}\n")
    found: SchedulesConfig = load_config(file, {}).extensions["schedules"]
    return found


def test_a_definition_is_read_from_what_it_is_written_as() -> None:
    found = parse_schedule("nightly", WHOLE)
    assert found.to_json() == WHOLE
    assert parse_schedule("nightly", found.to_json()) == found


def test_defaults_are_left_out_so_that_a_new_key_changes_no_hash() -> None:
    least = {"every": "1h30m", "backend": "api", "route": "/report"}
    found = parse_schedule("nightly", {**least, "concurrency": "skip", "timezone": "UTC", "payload": {}})
    assert found.to_json() == {**least, "every": 5_400.0}
    turned = dict(reversed(WHOLE.items()))
    assert json_hash(turned) == json_hash(WHOLE)
    assert json_hash({**WHOLE, "enabled": True}) != json_hash(WHOLE)


@pytest.mark.parametrize("written", ["./jobs/all.yml", "{nightly: ./jobs/one.yml}"])
def test_the_whole_or_an_entry_may_be_a_file(tmp_path: Path, written: str) -> None:
    folder = tmp_path / "jobs"
    folder.mkdir()
    (folder / "all.yml").write_text("nightly: one.yml\n")
    (folder / "one.yml").write_text('{"cron": "@daily", "backend": "api", "route": "/report"}')
    found = loaded(tmp_path, written if "all" in written else "{nightly: ./jobs/one.yml}")
    assert found.schedules["nightly"].cron == "@daily"


def test_a_file_may_repeat_the_key(tmp_path: Path) -> None:
    (tmp_path / "all.yml").write_text("schedules: {a: {every: 10s, backend: api, route: /r}}")
    assert loaded(tmp_path, "all.yml").schedules["a"].every == 10.0
    assert loaded(tmp_path, "").schedules == {}


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("cron: '@daily', every: 10s", "schedules.n: it has both `cron` and `every`"),
        ("payload: {}", "schedules.n: it has neither `cron` nor `every`"),
        ("cron: '* * * * * * word'", "schedules.n.cron: '* * * * * * word': expected five or six fields"),
        ("cron: '0 0 30 2 *'", "schedules.n.cron: '0 0 30 2 *': its day-of-month can't be read, or never"),
        ("every: 3s", "schedules.n.every: expected at least 10s"),
        ("every: 10s, timezone: Mars/X", "schedules.n.timezone: no time zone is named 'Mars/X'"),
        ("every: 10s, forEach: {query: 'SELECT 1; DELETE job'}", "schedules.n.forEach.query: expected one"),
        ("every: 10s, forEach: {key: a}", "schedules.n.forEach: it has no `query`"),
        ("every: 10s, forEach: {query: SELECT 1, keys: a}", "schedules.n.forEach: unknown key 'keys'"),
        ("every: 10s, cronn: 1", "schedules.n: unknown key 'cronn'; did you mean 'cron'?"),
        ("every: 10s, concurrency: never", "schedules.n.concurrency: expected skip, allow or replace"),
        ("every: 10s, retry: {max: 0}", "schedules.n.retry.max: expected a whole number"),
        ("every: 10s, payload: [1]", "schedules.n.payload: expected a mapping"),
        ("every: 10s, payload: {a: 1, 2: 3}", "schedules.n.payload: its key 2 isn't text; put it in quotes"),
        ("every: 10s, payload: {a: [{2: 3}]}", "schedules.n.payload: its key 2 isn't text"),
        ("every: 10s, route: ''", "schedules.n.route: expected text"),
        ("every: 10s, deadline: soon", "schedules.n.deadline: expected a duration"),
        ("every: 10s, timeout: 0s", "schedules.n.timeout: expected over 0s and at most 1d, such as 120s"),
        (
            "every: 10s, history: some",
            "schedules.n.history: expected all, failures-only, a number of runs, or",
        ),
        (
            "every: 10s, history: failure-only",
            (
                "schedules.n.history: expected all, failures-only, a number of runs, or a mapping "
                "(mode, success, failed); did you mean 'failures-only'?"
            ),
        ),
        (
            "every: 10s, history: {sucess: 1h}",
            "schedules.n.history: unknown key 'sucess'; did you mean 'succ",
        ),
    ],
)
def test_each_bad_key_is_one_line(tmp_path: Path, keys: str, problem: str) -> None:
    own = "" if "route:" in keys else ", route: /r"
    found = loaded(tmp_path, f"{{n: {{{keys}, backend: api{own}}}, sound: {SOUND}}}")
    assert found.left_out["n"].startswith(problem)
    assert "\n" not in found.left_out["n"]
    assert list(found.schedules) == ["sound"]


def test_what_is_wrong_in_another_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "one.yml").write_text("every: 3s\nbackend: api\nroute: /r\n")
    found = loaded(tmp_path, f"{{n: one.yml, gone: none.yml, sound: {SOUND}}}")
    assert "one.yml: every: expected at least 10s" in found.left_out["n"]
    assert "none.yml: no such file" in found.left_out["gone"]
    assert list(found.schedules) == ["sound"]


@pytest.mark.parametrize(
    ("written", "name", "problem"),
    [
        ("{Night: {}}", "Night", "schedules.Night: a schedule's name has lower-case"),
        ("{1: {}}", "1", "schedules.1: a schedule's name"),
        ("{n: 3}", "n", "schedules.n: expected a mapping"),
    ],
)
def test_entries_that_are_none(tmp_path: Path, written: str, name: str, problem: str) -> None:
    assert problem in loaded(tmp_path, written).left_out[name]


@pytest.mark.parametrize(
    ("written", "problem"),
    [("[1]", "schedules: expected a mapping from a name"), ("none.yml", "none.yml: no such file")],
)
def test_what_holds_no_schedule_is_an_error(tmp_path: Path, written: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, written)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("120", 120.0), ("120s", 120.0), ("2m", 120.0), ("'1m 30s'", 90.0), ("1hour", 3_600.0), ("500ms", 0.5)],
)
def test_a_timeout_is_a_number_or_a_duration(tmp_path: Path, written: str, seconds: float) -> None:
    found = loaded(tmp_path, f"{{n: {{every: 10s, backend: api, route: /r, timeout: {written}}}}}")
    assert found.schedules["n"].timeout == seconds


@pytest.mark.parametrize(
    ("written", "history", "as_json"),
    [
        ("all", HistoryConfig(mode="all"), {"mode": "all"}),
        ("failures-only", HistoryConfig(mode="failures-only"), {"mode": "failures-only"}),
        ("{success: 15m, failed: 30d}", HistoryConfig(success=900.0, failed=2_592_000.0), None),
        ("{mode: failures-only, failed: never}", None, {"mode": "failures-only", "failed": "never"}),
        ("20", 20, 20),
    ],
)
def test_each_spelling_of_a_history(tmp_path: Path, written: str, history: Any, as_json: Any) -> None:
    found = loaded(tmp_path, f"{{n: {{every: 10s, backend: api, route: /r, history: {written}}}}}")
    definition = found.schedules["n"]
    assert history in (None, definition.history)
    assert as_json in (None, definition.to_json()["history"])
    assert parse_schedule("n", definition.to_json()) == definition


def test_a_definition_from_python_has_no_variables_and_names_the_schedule() -> None:
    query = "SELECT '${x}'; "
    definition = {**WHOLE, "forEach": {"query": query}}
    found = parse_schedule("n", definition)
    assert found.for_each is not None
    assert found.for_each.query == "SELECT '${x}'"
    with pytest.raises(ScheduleInvalid, match="schedule 'n': every: expected at least 10s"):
        parse_schedule("n", {"every": 1, "backend": "api", "route": "/r"})
