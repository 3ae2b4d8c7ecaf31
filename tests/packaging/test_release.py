"""The distributions agree with each other, and with the workflows and documents that speak of them."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from sp00ky_core.error_texts import install_hint

from .conftest import DISTRIBUTIONS, ROOT

PROJECTS: dict[str, dict[str, Any]] = {
    name: tomllib.loads((ROOT / name / "pyproject.toml").read_text())["project"] for name in DISTRIBUTIONS
}
CORE = PROJECTS["sp00ky_core"]
WORKFLOWS = ROOT / ".github" / "workflows"


def pythons(project: dict[str, Any]) -> list[str]:
    found = [
        re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", classifier)
        for classifier in project["classifiers"]
    ]
    return [match[1] for match in found if match]


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
    return [specifier.strip() for specifier in line.split(",")]


@pytest.fixture(params=DISTRIBUTIONS)
def distribution(request: pytest.FixtureRequest) -> str:
    """Each distribution in turn."""
    return str(request.param)


def test_every_distribution_is_tested_here() -> None:
    root = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = {str(file.parent.relative_to(ROOT)) for file in ROOT.glob("**/sp00ky_*/pyproject.toml")}
    found = {folder for folder in found if folder.partition("/")[0] not in {".nox", ".venv", "dist"}}
    assert set(DISTRIBUTIONS) == found == set(root["tool"]["uv"]["workspace"]["members"])


def test_what_all_have_in_common(distribution: str) -> None:
    project = PROJECTS[distribution]
    folder = ROOT / distribution
    assert project["name"] == folder.name.replace("_", "-")
    assert f" ./{distribution}," in install_hint(project["name"])
    for key in ("version", "requires-python", "authors"):
        assert project[key] == CORE[key], key
    assert project.get("urls") == CORE.get("urls")
    assert project["license"].split()[0] == "Apache-2.0"
    assert pythons(project) == pythons(CORE)
    assert "Typing :: Typed" in project["classifiers"]
    assert (folder / "src" / folder.name / "py.typed").is_file()
    assert (folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (folder / project["readme"]).read_text().startswith("# ")


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
