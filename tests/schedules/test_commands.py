"""``sp00ky schedules``: looking at schedules, and an operator's hand on them."""

import json
from pathlib import Path
from typing import Any

from tests.core.cli.conftest import Cli
from tests.core.cli.shelf import Shelf, within
from tests.schedules.source import schedules_of

from sp00ky_schedules import Schedules
from sp00ky_schedules.model.config import parse_schedule
from sp00ky_schedules.service.scheduler import decisions_of

KEYS = [
    *("name", "definition", "cron", "every", "timezone", "backend", "route", "enabled"),
    *(
        "next_fire_at",
        "late_by_s",
        "last_fired_at",
        "paused",
        "origin",
        "last_status",
        "last_error",
        "quarantined",
    ),
]
RUN_KEYS = ["schedule", "fired_at", "key", "trigger", "job_id", "status", "error", "finished_at"]


def define(**definition: Any) -> None:
    given = {"backend": "api", "route": "/json", "cron": "0 2 * * *", **definition}
    given = {key: value for key, value in given.items() if value is not None}
    within(lambda outbox: outbox.extension(Schedules).define("nightly", **given))


def test_schedules_are_listed(shelf: Shelf, sp00ky: Cli) -> None:
    assert sp00ky("schedules", "list", "--json").json == {"schedules": []}
    define(timezone="Europe/Berlin")
    (found,) = sp00ky("schedules", "list", "--json").json["schedules"]
    assert list(found) == KEYS
    assert (found["name"], found["cron"], found["paused"], found["last_status"]) == (
        "nightly",
        "0 2 * * *",
        False,
        None,
    )
    assert found["next_fire_at"].endswith("Z")
    assert sp00ky("schedules", "get", "nightly", "--json").json == found
    assert "0 2 * * * Europe/Berlin" in sp00ky("schedules", "list").out
    assert "next_fire_at: " in sp00ky("schedules", "get", "nightly").out


def test_an_operation_has_one_name_however_it_is_spelled(shelf: Shelf, sp00ky: Cli) -> None:
    define(route="POST /json")
    (found,) = sp00ky("schedules", "list", "--json").json["schedules"]
    assert (found["route"], found["definition"]["route"]) == ("/json", "POST /json")
    (run,) = sp00ky("schedules", "trigger", "nightly", "--json").json["runs"]
    assert sp00ky("jobs", "get", run["job_id"], "--json").json["path"] == "/json"


def test_one_is_fired_by_hand_and_written_down(shelf: Shelf, sp00ky: Cli) -> None:
    define()
    done = sp00ky("schedules", "trigger", "nightly", "--reason", "again", "--json")
    assert done.code == 0
    (run,) = done.json["runs"]
    assert list(run) == RUN_KEYS
    assert (run["trigger"], run["status"], run["key"]) == ("manual", "running", "")
    assert sp00ky("schedules", "runs", "--json").json == {"runs": [run]}
    assert run["job_id"] in sp00ky("schedules", "runs", "nightly", "--status", "running").out
    assert sp00ky("schedules", "runs", "--key", "none", "--json").json == {"runs": []}
    (entry,) = sp00ky("audit", "--json").json["audit"]
    assert (entry["action"], entry["count"], entry["reason"]) == ("schedules trigger", 1, "again")


def test_a_paused_one_is_not_fired(shelf: Shelf, sp00ky: Cli) -> None:
    define()
    assert sp00ky("schedules", "pause", "nightly").out == "nightly is paused until it is resumed\n"
    assert "it was before" in sp00ky("schedules", "pause", "nightly").out
    line = sp00ky("schedules", "trigger", "nightly").complaint(1)
    assert "it is paused; see: sp00ky schedules resume nightly" in line
    assert sp00ky("schedules", "resume", "nightly").out == "nightly is resumed\n"
    assert "nothing had paused it" in sp00ky("schedules", "resume", "nightly").out


def test_a_run_that_failed_at_once_is_exit_1(shelf: Shelf, sp00ky: Cli) -> None:
    definition = {"every": "1h", "backend": "api", "route": "/gone"}
    wanted = parse_schedule("nightly", definition)  # as a file had it before the route went
    within(lambda outbox: schedules_of(outbox.store).define(decisions_of({"nightly": wanted}, {})))
    done = sp00ky("schedules", "trigger", "nightly")
    assert done.code == 1
    assert "unknown_route" in done.out


def test_a_sync_and_migrate_say_what_they_did(shelf: Shelf, sp00ky: Cli, project: Path) -> None:
    file = project / "sp00ky.yml"
    before = file.read_text()
    sp00ky("migrate")
    for name, done in (("a", "defined a\n"), ("b", "defined b\nremoved a\n")):
        file.write_text(f"{before}schedules: {{{name}: {{every: 1h, backend: api, route: /json}}}}\n")
        assert sp00ky("migrate").out == f"{done}done, in {len(done.splitlines())} steps\n"
        assert sp00ky("migrate").out == "nothing to do\n"
    file.write_text(
        f"{before}schedules: {{b: {{every: soon}}, c: {{every: 1h, backend: api, route: /json}}}}\n"
    )
    for done in (sp00ky("schedules", "sync"), sp00ky("migrate")):
        assert done.err.startswith("sp00ky: schedule b: left out: schedules.b.every: expected a duration")
        assert (done.code, "removed" in done.out) == (0, False)
    (finding,) = sp00ky("check", "--json").json["findings"]
    assert (finding["severity"], finding["subject"]) == ("error", "schedule b")
    file.write_text(f"{before}schedules: {{c: {{every: 1h, backend: api, route: /none}}}}\n")
    for done in (sp00ky("schedules", "sync"), sp00ky("migrate")):
        assert done.err.startswith("sp00ky: schedule c: backend 'api' has no route '/none'")
        assert (done.code, done.err.count("\n")) == (0, 1)
    file.write_text(before)
    assert sp00ky("schedules", "sync").out == "removed c\n"


def test_rows_that_made_no_job_are_exit_1(shelf: Shelf, sp00ky: Cli, project: Path) -> None:
    query = json.dumps([{"other": 1}])
    schedule = {"every": "1h", "backend": "api", "route": "/json", "forEach": {"query": query}}
    with (project / "sp00ky.yml").open("a") as file:
        file.write(f"schedules: {json.dumps({'each': schedule})}\n")
    sp00ky("migrate")
    for flags in ([], ["--json"]):
        done = sp00ky("schedules", "trigger", "each", *flags)
        assert done.code == 1
        assert done.err.startswith("sp00ky: schedule each: row 1 has no 'id' that can be a key")
        assert done.err.count("\n") == 1
    assert done.json == {"runs": []}
