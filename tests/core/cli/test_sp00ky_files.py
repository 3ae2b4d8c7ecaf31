"""Commands on the files of existing Sp00ky projects: what is used, what is left out, what is said."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.plugins import registry as plugin_registry

TOKEN = "tok3n-that-nobody-may-see"

TODAY = """\
mode: sidecar
slug: example
store: {store}
retention: {{success: 1h, runFailed: 30d}}
schedules: {{nightly: {{cron: "0 3 * * *", backend: api, route: /json}}}}
workflows: {{deploy: {{steps: {{one: {{backend: api, route: /json}}}}}}}}
unheardOf: 1
apps:
  api:
    type: backend
    spec: ./openapi.json
    baseUrl: {url}
    auth: {{type: token, token: {{vault: API_TOKEN}}}}
    method: {{type: outbox, schema: ./outbox.surql, concurrency: 2}}
    frobnicate: 1
  web: {{type: frontend, path: ./web}}
  later: {{type: backend, scope: devOnly}}
"""


@pytest.fixture
def today(project: Path, misbehaving: Any) -> Path:
    """The project, with a file of today."""
    (project / "sp00ky.yml").write_text(TODAY.format(store="surrealkv://./sp00ky.db", url=misbehaving.url))
    return project


def test_check_names_what_has_no_effect(today: Path, sp00ky: Any) -> None:
    assert sp00ky("migrate").code == 0
    checked = sp00ky("check", "--json")
    assert checked.code == 0
    assert {finding["severity"] for finding in checked.json["findings"]} == {"warning"}
    said = {finding["subject"]: finding["problem"] for finding in checked.json["findings"]}
    assert sorted(said) == ["apps.api.frobnicate", "backend later", "backend web", "unheardOf"]
    assert said["backend later"] == "left out: its scope is devOnly"
    assert "workflows" not in said  # an extension that is installed here reads it


def test_the_others_jobs_run_and_the_start_warns(today: Path, sp00ky: Any, start: Any) -> None:
    job_id = sp00ky("call", "api", "/json").out.strip()
    process = start("run", "--until-empty")
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert sp00ky("jobs", "get", job_id, "--json").json["status"] == "success"
    assert "backend web: left out" in err
    assert TOKEN not in err


@pytest.fixture
def uninstall(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets a module's plugins not be found."""

    def hide(module: str) -> None:
        def without(*, group: str) -> list[EntryPoint]:
            return [point for point in entry_points(group=group) if not point.value.startswith(module)]

        monkeypatch.setattr(plugin_registry, "entry_points", without)

    return hide


@pytest.mark.parametrize("name", ["schedules", "webhooks"])
def test_a_section_that_nothing_installed_reads_stops_what_would_do_without_it(
    today: Path, sp00ky: Any, uninstall: Callable[[str], None], name: str
) -> None:
    with (today / "sp00ky.yml").open("a") as file:
        file.write('webhooks: {topics: {"a.b": {}}}\n')
    assert sp00ky("migrate").code == 0
    uninstall(f"sp00ky_{name}")
    for command in ("run --until-empty", "migrate", "migrate --print"):
        complaint = sp00ky(*command.split()).complaint(2)
        assert f"{name}: sp00ky-{name}, which reads it, isn't installed here" in complaint
        assert f"pip install sp00ky-{name}" in complaint
    (stops,) = [one for one in sp00ky("check", "--json").json["findings"] if one["severity"] == "error"]
    assert stops["subject"] == name
    assert sp00ky("jobs", "list").code == 0  # what only reads goes on
    written = (today / "sp00ky.yml").read_text().splitlines()
    (today / "sp00ky.yml").write_text("\n".join(line for line in written if not line.startswith(name)))
    assert sp00ky("migrate").code == 0
    assert sp00ky("run", "--until-empty").code == 0


def test_workflows_may_be_anothers(today: Path, sp00ky: Any, uninstall: Callable[[str], None]) -> None:
    uninstall("sp00ky_workflows")
    assert sp00ky("migrate").code == 0
    said = {finding["subject"]: finding for finding in sp00ky("check", "--json").json["findings"]}
    assert said["workflows"]["severity"] == "warning"
    assert "pip install sp00ky-workflows" in said["workflows"]["fix"]
    assert sp00ky("run", "--until-empty").code == 0
