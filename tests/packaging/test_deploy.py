"""What is in ``deploy/`` fits what the runner serves: each query names a metric and labels that are there."""

import configparser
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sp00ky_core.cli.app import cli
from sp00ky_core.error_texts import EXTENSIONS
from sp00ky_core.observe.prometheus import STATUSES, exposition
from sp00ky_core.observe.rates import Counters
from sp00ky_core.ports import OUTCOMES, BackendStats, Gauge
from sp00ky_health import DEFAULT

DEPLOY = Path(__file__).parents[2] / "deploy"
PORT = DEFAULT.rpartition(":")[2]


GAUGES = (  # of extensions, whose own tests look that they are there
    Gauge(name="sp00ky_schedule_late_seconds", text="", label="schedule", values={"nightly": 60.0}),
    Gauge(name="sp00ky_workflows_held", text="", values={"": 0}),
    Gauge(name="sp00ky_endpoints_failing", text="", values={"": 0}),
)


def served() -> dict[str, set[str]]:
    """The metrics that a runner serves, each with its labels."""
    counters = Counters()
    for outcome in OUTCOMES:
        counters.attempt(("api", "/spookify", outcome, 200), 0.1)
    text = exposition(counters, {"api": 1}, {"api": BackendStats()}, GAUGES, slots={"api": 1})
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Where each query stands, and its text."""
    dashboard = json.loads((DEPLOY / "grafana/sp00ky.json").read_text())
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["query"]["query"]
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield f"panel {panel['title']}", target["expr"]
    for rule in rules():
        yield f"alert {rule['alert']}", rule["expr"]
    for document in manifests("scaling"):
        for trigger in document["spec"].get("triggers", ()):
            yield f"scaled by {trigger['metadata']['threshold']}", trigger["metadata"]["query"]


def manifests(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / f"kubernetes/{name}.yml").read_text()))


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((DEPLOY / "prometheus/sp00ky.rules.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_each_query_names_metrics_and_labels_that_are_there(where: str, query: str) -> None:
    known = served()
    names = re.findall(r"\bsp00ky_\w+", query)
    assert names, where
    assert set(names) <= set(known)
    labels = set().union(*(known[name] for name in names))
    matched = [
        label for found in re.findall(r"\{(.*?)\}", query) for label in re.findall(r"(\w+)[=!]", found)
    ]
    grouped = [label for found in re.findall(r"by \(([\w, ]+)\)", query) for label in found.split(", ")]
    assert {*matched, *grouped} <= {*labels, "instance"}  # which Prometheus adds
    values = {"outcome": set(OUTCOMES), "status": set(STATUSES)}
    for label, value in re.findall(r'(\w+)[=!]~?"([\w|]+)"', query):
        assert set(value.split("|")) <= values[label]


FIRED: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "Sp00kyFewerRunners": (
        "80m",
        {
            f'sp00ky_in_flight{{instance="{at}",backend="api"}}': values
            for at, values in (("a", "0x90"), ("b", "0x60"))
        },
        {},
    ),
    "Sp00kyRunnerStuck": (
        "4m",
        {'sp00ky_places{instance="a",backend="api"}': "3 3 0x9"},
        {"instance": "a", "backend": "api"},
    ),
    "Sp00kyQueueUnknown": ("5m", {'sp00ky_queue_age_seconds{instance="a"}': "0+60x10"}, {}),
    "Sp00kyScheduleLate": (
        "4m",
        {'sp00ky_schedule_late_seconds{schedule="nightly"}': "0+60x10"},
        {"schedule": "nightly"},
    ),
    "Sp00kyWorkflowsHeld": ("6m", {"sp00ky_workflows_held": "2x10"}, {}),
    "Sp00kyEndpointsFail": ("16m", {"sp00ky_endpoints_failing": "1x20"}, {}),
}
"""By alert: when it has fired, what was measured each minute until then, and its labels."""


@pytest.mark.parametrize("alert", FIRED)
def test_an_alert_fires_by_what_is_measured_and_not_before(alert: str, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool isn't installed")
    at, measured, labels = FIRED[alert]
    (rule,) = [rule for rule in rules() if rule["alert"] == alert]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "a", "rules": [plain(rule)]}]}))
    fired = {
        "alertname": alert,
        "eval_time": at,
        "exp_alerts": [{"exp_labels": {**rule["labels"], **labels}}],
    }
    series = [{"series": name, "values": values} for name, values in measured.items()]
    tests = [
        {
            "interval": "1m",
            "input_series": series,
            "alert_rule_test": [{**fired, "eval_time": "1m", "exp_alerts": []}, fired],
        }
    ]
    (tmp_path / "tests.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": tests}))
    command = [promtool, "test", "rules", str(tmp_path / "tests.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def plain(rule: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in rule.items() if key != "annotations"}


def test_the_commands_that_an_alert_names_are_there() -> None:
    described = " ".join(rule["annotations"]["description"] for rule in rules())
    for group, name, options in re.findall(r"sp00ky (\w+) (\w+)((?: --[\w-]+(?: [^\s-]\S*)?)*)", described):
        context = click.Context(cli)
        command = cli.get_command(context, group)
        if isinstance(command, click.Group):  # else `name` is the sentence's next word
            command = command.get_command(context, name)
        assert command is not None
        known = {option for param in command.get_params(context) for option in param.opts}
        assert set(re.findall(r"--[\w-]+", options)) <= known
        assert (group, name, "--since" in options) != ("jobs", "retry", True), (
            "created since then, not failed"
        )


def test_kubernetes_probes_what_is_served() -> None:
    deployment, migration, _ = manifests("sp00ky")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"][0] in cli.list_commands(click.Context(cli))
    assert {"name": "SP00KY_LISTEN", "value": f"0.0.0.0:{PORT}"} in container["env"]
    assert container["ports"] == [{"name": "metrics", "containerPort": int(PORT)}]
    probes = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("liveness", "readiness")}
    assert probes == {"liveness": "/livez", "readiness": "/readyz"}
    assert pod["terminationGracePeriodSeconds"] > 25 + 10
    (migrate,) = migration["spec"]["template"]["spec"]["containers"]
    assert migrate["args"] == ["migrate"]
    assert migrate["envFrom"] != container["envFrom"]  # the tables' owner is another role


def test_what_scales_and_is_scraped_are_the_runners() -> None:
    deployment, *_ = manifests("sp00ky")
    monitor, scaled = manifests("scaling")
    assert monitor["spec"]["selector"] == deployment["spec"]["selector"]
    assert scaled["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    (port,) = deployment["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert monitor["spec"]["podMetricsEndpoints"][0]["port"] == port["name"]


def test_the_dashboard_believes_the_proxy_beside_it() -> None:
    deployment, service = manifests("dashboard")
    shown, proxy = deployment["spec"]["template"]["spec"]["containers"]
    command = cli.get_command(click.Context(cli), "dashboard")
    assert command is not None
    options = command.make_context("dashboard", shown["args"][1:]).params
    assert (options["host"], options["user_header"]) == ("127.0.0.1", "X-Forwarded-Email")
    assert f"--upstream=http://{options['host']}:{options['port']}/" in proxy["args"]
    assert service["spec"]["ports"][0]["targetPort"] == proxy["ports"][0]["name"]
    assert "ports" not in shown


def test_compose_starts_each_command_with_what_it_needs() -> None:
    services = yaml.safe_load((DEPLOY / "compose/compose.yml").read_text())["services"]
    ours = {name: service for name, service in services.items() if service["image"] == "sp00ky"}
    assert {name: service["command"][0] for name, service in ours.items()} == {
        "migrate": "migrate",
        "runner": "run",
        "dashboard": "dashboard",
    }
    for service in ours.values():
        command = cli.get_command(click.Context(cli), service["command"][0])
        assert command is not None
        command.make_context(service["command"][0], service["command"][1:])
    mounted = [volume.partition(":")[0] for service in services.values() for volume in service["volumes"]]
    files = [DEPLOY / "compose" / path for path in mounted if path.startswith(".")]
    assert [path for path in files if not path.exists()] == []
    wanted = set(re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose/compose.yml").read_text()))
    assert wanted <= set(re.findall(r"^(\w+)=", (DEPLOY / "compose/.env.example").read_text(), re.MULTILINE))


def test_the_image_has_each_extension_that_a_section_needs() -> None:
    (default,) = re.findall(r'^ARG EXTENSIONS="(.*)"$', (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    folders = installed(default)
    brought = {folder.name.replace("_", "-"): folder for folder in folders}
    assert {*EXTENSIONS.values(), "sp00ky-tasks"} <= {*brought}
    for folder in folders:
        needed = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["dependencies"]
        ours = {name[0] for line in needed if (name := re.match(r"sp00ky[\w-]*", line))}
        assert ours <= {*brought}, "it is on no index"
    allowed = (DEPLOY.parent / ".dockerignore").read_text().split()
    assert {f"!{folder.relative_to(DEPLOY.parent)}" for folder in folders} <= {*allowed}


def test_the_image_has_fewer_extensions_where_that_is_asked_for() -> None:
    without = installed("")
    assert {folder.name for folder in installed("schedules")} - {folder.name for folder in without} == {
        "sp00ky_schedules"
    }


def installed(extensions: str) -> list[Path]:
    """The folders that the Dockerfile's shell installs, with this build argument."""
    (words,) = re.findall(r"pip install --no-cache-dir ((?:.*\\\n)*.*)", (DEPLOY / "Dockerfile").read_text())
    shell = ["sh", "-c", f"printf '%s\\n' {words}"]
    shown = subprocess.run(
        shell, env={"EXTENSIONS": extensions}, capture_output=True, text=True, check=True
    ).stdout
    return [(DEPLOY.parent / line.partition("[")[0]).resolve() for line in shown.split()]


def test_the_unit_is_shut_off_from_the_system() -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze isn't installed")
    unit = DEPLOY / "systemd/sp00ky.service"
    command = [analyze, "security", "--offline=true", "--threshold=40", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_unit_notifies_and_leaves_time_for_a_drain() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as systemd has them
    unit.read(DEPLOY / "systemd/sp00ky.service")
    service = unit["Service"]
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert int(service["WatchdogSec"]) > 0
    assert int(service["TimeoutStopSec"]) > 25 + 10
