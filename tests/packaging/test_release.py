"""The distributions agree with each other, and with the workflows and documents that speak of them."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import DISTRIBUTIONS, ROOT

PROJECTS: dict[str, dict[str, Any]] = {
    each: tomllib.loads((ROOT / each / "pyproject.toml").read_text())["project"] for each in DISTRIBUTIONS
}
CORE = PROJECTS["sp00ky_core"]
VERSION = CORE["version"]
WORKFLOWS = ROOT / ".github" / "workflows"
WITHOUT_THE_CORE = {"contrib/sp00ky_receiver"}
"""Backends need nothing of the outbox."""

OURS = re.compile(r"^(sp00ky-[a-z-]+)(?:\[[a-z,]+\])?(.*)$")


def pythons(project: dict[str, Any]) -> list[str]:
    found = [
        re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", each) for each in project["classifiers"]
    ]
    return [each[1] for each in found if each]


def workflow(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((WORKFLOWS / name).read_text())
    return loaded


def matrix(job: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = workflow("ci.yml")["jobs"][job]["strategy"]["matrix"]
    return found


def supported(row: str) -> list[str]:
    """The versions in a row of the table of what is supported."""
    (line,) = re.findall(
        rf"^\| {row} \| ([^|]*) \|", (ROOT / "docs" / "versions.md").read_text(), re.MULTILINE
    )
    return [each.strip() for each in line.split(",")]


@pytest.fixture(params=DISTRIBUTIONS)
def distribution(request: pytest.FixtureRequest) -> str:
    """Each distribution in turn."""
    return str(request.param)


def test_every_distribution_is_tested_here() -> None:
    root = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = {str(each.parent.relative_to(ROOT)) for each in ROOT.glob("**/sp00ky_*/pyproject.toml")}
    found = {each for each in found if each.partition("/")[0] not in {".nox", ".venv", "dist"}}
    assert set(DISTRIBUTIONS) == found == set(root["tool"]["uv"]["workspace"]["members"])


def test_what_all_have_in_common(distribution: str) -> None:
    project = PROJECTS[distribution]
    folder = ROOT / distribution
    assert project["name"] == folder.name.replace("_", "-")
    for key in ("version", "requires-python", "authors"):
        assert project[key] == CORE[key], key
    assert project.get("urls") == CORE.get("urls")
    assert project["license"].split()[0] == "Apache-2.0"
    assert pythons(project) == pythons(CORE)
    assert "Typing :: Typed" in project["classifiers"]
    assert (folder / "src" / folder.name / "py.typed").is_file()
    assert (folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (folder / project["readme"]).read_text().startswith("# ")


def test_ranges_of_our_own_distributions_are_the_minor_version(distribution: str) -> None:
    project = PROJECTS[distribution]
    needs = [*project["dependencies"], *chain(*project.get("optional-dependencies", {}).values())]
    ranges = [found[2] for each in needs if (found := OURS.match(each))]
    major, minor, _ = map(int, VERSION.split("."))
    assert set(ranges) <= {f">={major}.{minor},<{major}.{minor + 1}"}
    assert ranges or distribution in WITHOUT_THE_CORE


def test_a_changelog_can_be_written(distribution: str) -> None:
    towncrier = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
    changelog = (ROOT / distribution / towncrier["filename"]).read_text()
    assert changelog.count("<!-- towncrier release notes start -->") == 1
    assert max(map(len, changelog.splitlines())) <= towncrier["wrap"]
    assert not re.search(r"^- #?\d+\S*$", changelog, re.MULTILINE)  # a number without its text
    assert (ROOT / distribution / towncrier["directory"] / ".gitkeep").is_file()  # git keeps no empty folder
    assert f"({distribution}/CHANGELOG.md)" in (ROOT / "CHANGELOG.md").read_text()


def test_ci_runs_on_what_is_supported() -> None:
    assert matrix("tests")["python"] == pythons(CORE) == supported("Python")
    assert matrix("postgres")["postgres"] == supported("PostgreSQL")
    assert supported("SurrealDB server") == matrix("surreal")["surrealdb"][1:]
    assert CORE["requires-python"] == f">={pythons(CORE)[0]}"


@pytest.mark.parametrize(("name", "job"), [("ci.yml", "release"), ("publish.yml", "build")])
def test_a_release_is_installed_on_each_python(name: str, job: str) -> None:
    steps = workflow(name)["jobs"][job]["steps"]
    (versions,) = [each["with"]["python-version"] for each in steps if "setup-python" in each.get("uses", "")]
    assert sorted(versions.split()) == pythons(CORE)


@pytest.mark.parametrize("file", sorted(WORKFLOWS.glob("*.yml")), ids=lambda file: file.name)
def test_actions_are_pinned(file: Path) -> None:
    used = re.findall(r"uses: ([^$\s]\S+)(.*)", file.read_text())  # with $/: this repository's own
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v[\d.]+", comment), action


def test_the_pins_are_kept_up_to_date() -> None:
    (update,) = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    assert (update["package-ecosystem"], update["schedule"]) == ("github-actions", {"interval": "weekly"})


def test_only_publishing_may_sign() -> None:
    jobs = workflow("publish.yml")["jobs"]
    permissions = {name: job["permissions"] for name, job in jobs.items()}
    assert workflow("publish.yml")["permissions"] == {}
    assert permissions["publish"] == {"id-token": "write"}
    assert [name for name, given in permissions.items() if "id-token" in given] == ["publish"]
    assert jobs["publish"]["environment"] == "pypi"
    assert workflow("ci.yml")["permissions"] == {"contents": "read"}


@pytest.mark.parametrize(
    "session",
    [
        *("lint", "types", "docs", "tests", "lowest", "postgres", "surreal3", "release"),
        *("slow", "fuzz", "moving", "pooler"),
    ],
)
def test_sessions_of_the_workflows_exist(session: str) -> None:
    used = "".join(file.read_text() for file in WORKFLOWS.glob("*.yml"))
    assert re.search(rf"(nox -s|sessions?:)[^\n]*\b{session}\b", used)
    assert f"def {session}(" in (ROOT / "noxfile.py").read_text()


@pytest.mark.parametrize(
    ("name", "job"),
    [("ci.yml", "checks"), ("ci.yml", "tests"), ("ci.yml", "surreal"), ("nightly.yml", "nightly")],
)
def test_jobs_that_run_documents_or_servers_have_surreal(name: str, job: str) -> None:
    used = [each.get("uses") for each in workflow(name)["jobs"][job]["steps"]]
    assert "$/.github/actions/surreal" in used
