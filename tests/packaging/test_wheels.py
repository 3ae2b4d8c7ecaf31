"""What is in the wheels, and that the installed packages are what is tested."""

import importlib
import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

PACKAGES = {
    "sp00ky_core": "[console_scripts]\nsp00ky = sp00ky_health:main\n\n[pytest11]\nsp00ky = sp00ky_pytest",
    "sp00ky_store_kit": "[sp00ky]\nstore-kit = sp00ky_store_kit.",
    "sp00ky_openapi": "",
    "sp00ky_conformance": "[pytest11]\nsp00ky-conformance = sp00ky_conformance_pytest",
    "sp00ky_store_postgres": "[sp00ky]\nstore-postgres = sp00ky_store_postgres.",
    "sp00ky_store_surreal": "[sp00ky]\nstore-surreal = sp00ky_store_surreal.",
    "sp00ky_transport_http": "[sp00ky]\ntransport-http = sp00ky_transport_http.",
    "sp00ky_store_sqlite": "[sp00ky]\nstore-sqlite = sp00ky_store_sqlite.",
    "sp00ky_store_mysql": "[sp00ky]\nstore-mysql = sp00ky_store_mysql.",
    "sp00ky_opentelemetry": "[sp00ky]\nopentelemetry = sp00ky_opentelemetry.",
    "sp00ky_receiver": "",
    "sp00ky_dashboard": "[sp00ky]\ndashboard = sp00ky_dashboard.",
    "sp00ky_django": "",
    "sp00ky_transport_amqp": "[sp00ky]\ntransport-amqp = sp00ky_transport_amqp.",
    "sp00ky_generate": "[sp00ky]\ngenerate = sp00ky_generate.",
    "sp00ky_tasks": "[pytest11]\nsp00ky-tasks = sp00ky_tasks.fixtures",
    "sp00ky_schedules": "[sp00ky]\nschedules = sp00ky_schedules.",
    "sp00ky_workflows": "[sp00ky]\nworkflows = sp00ky_workflows.",
    "sp00ky_transport_asgi": "[sp00ky]\ntransport-asgi = sp00ky_transport_asgi.",
}
"""Import names, and how each one's entry point begins; empty: it has none."""


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest) -> str:
    """Each package in turn."""
    return str(request.param)


@pytest.fixture
def members(package: str, wheels: dict[str, Path]) -> dict[str, str]:
    """The files of a wheel, as text."""
    with zipfile.ZipFile(wheels[package]) as wheel:
        return {name: wheel.read(name).decode(errors="replace") for name in wheel.namelist()}


def test_a_wheel_holds_its_whole_package(package: str, members: dict[str, str], root: Path) -> None:
    (source,) = [
        folder for folder in (root / package / "src", root / "contrib" / package / "src") if folder.is_dir()
    ]
    kept = {
        ".py",
        ".surql",
        ".sql",
        ".typed",
        ".yml",
        ".json",
        ".html",
        ".css",
        ".js",
        ".svg",
        ".woff2",
        ".txt",
    }
    files = [
        path for path in source.rglob("*") if path.suffix in kept or path.name in {"py.typed", "LICENSE"}
    ]
    expected = {path.relative_to(source).as_posix() for path in files if "__pycache__" not in path.parts}
    expected = {name for name in expected if ".mypy_cache" not in name}
    assert f"{package}/py.typed" in expected
    assert {name for name in members if ".dist-info/" not in name} == expected


def test_a_wheel_says_what_it_is(package: str, members: dict[str, str]) -> None:
    (info,) = {name.partition("/")[0] for name in members if ".dist-info/" in name}
    metadata = Parser().parsestr(members[f"{info}/METADATA"])
    assert metadata["Name"] == package.replace("_", "-")
    assert metadata["License-Expression"].split()[0] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert str(metadata.get_payload()).strip().startswith("# ")
    assert "Apache License" in members[f"{info}/licenses/LICENSE"]
    entry_points = members.get(f"{info}/entry_points.txt", "")
    assert PACKAGES[package] in entry_points
    assert bool(PACKAGES[package]) == bool(entry_points)


def test_an_import_from_the_repository_finds_the_installed_package(package: str, root: Path) -> None:
    program = f"import {package}; print({package}.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    found = Path(done.stdout.strip())
    assert found == Path(str(importlib.import_module(package).__file__))
    assert found.name == "__init__.py"
    assert found.parent != root / package
    if "SP00KY_WHEELS" in os.environ:  # wheels are under test: no file of the repository may be
        assert not found.is_relative_to(root / package)


def test_the_core_is_imported_without_what_only_some_need() -> None:
    heavy = ["pytest", "hypothesis", "rich", "click", "aiohttp", "surrealdb", "uvloop"]
    program = f"import sp00ky_core, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
